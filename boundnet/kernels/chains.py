"""Running error analysis of a chain of operations with one operand each: x -> x + p, x * p, x / p, -x or a copy of x.

The rules are those of :class:`boundnet.machines.running.RunningMachine`, one element at a time; only intervals are rounded
outwards by 3 w |value| + eta instead of to the next float.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.kernels.compiled import kernel

ADD, MULTIPLY, DIVIDE, NEGATE, COPY = 0, 1, 2, 3, 4
NEVER, EACH, LAST = 0.0, 1.0, 2.0
"""When storing rounds once more."""
_OUT = 3.0 * 2.0**-53
_LEAST = 2.0**-1074
_ULP = 2.0**-52
_HUGE = 2.0**900


@kernel
def _one_rounding(magnitude: float, unit: float, relative: float, absolute: float) -> float:
    """Arithmetic.one_rounding.  Unit in the first place by Rump's two products (2010, section 10)."""
    if magnitude == 0.0:
        return 0.0
    if not magnitude < np.inf:
        return np.inf
    error = magnitude * relative
    if magnitude < _HUGE:
        scaled = magnitude * (2.0**52 + 1.0)
        place = abs(scaled - scaled * (1.0 - 2.0**-53))
        error = min(unit * place, error)
    return max(error, absolute)


@kernel
def chain_error(
    centre: Any, radius: Any, kinds: Any, low: Any, high: Any, off: Any, rules: Any, error: Any, overflow: Any
) -> None:
    """Raise ``error`` (P, C) to what the chain may be off by and set ``overflow`` where it may pass the largest value.

    centre, radius: (P, C), the range of x.  kinds: (K,).  low, high, off: (K, C), enclosures of the operands' exact values
    and bounds of their errors, inf where they overflow.  rules: see :func:`boundnet.machines.chains.rules_of`.
    """
    unit, relative, absolute, largest, flush, load = rules[0], rules[1], rules[2], rules[3], rules[4], rules[5]
    stores, s_unit, s_relative, s_absolute, s_largest = rules[6], rules[7], rules[8], rules[9], rules[10]
    for p in range(centre.shape[0]):
        for c in range(centre.shape[1]):
            r = radius[p, c]
            lo, hi = centre[p, c], centre[p, c]
            if r != 0.0:
                lo, hi = lo - r, hi + r
                lo, hi = lo - (abs(lo) * _OUT + _LEAST), hi + (abs(hi) * _OUT + _LEAST)
            e = 0.0
            over = False
            for k in range(kinds.shape[0]):
                kind = kinds[k]
                if kind == NEGATE:
                    lo, hi = -hi, -lo
                    continue
                reached = (max(abs(lo), abs(hi)) + e) * (1.0 + 3.0 * _ULP)
                if kind == COPY:
                    if flush > 0.0 and reached != 0.0:
                        e = (e + flush) * (1.0 + 3.0 * _ULP)
                    continue
                b_lo, b_hi, b_e = low[k, c], high[k, c], off[k, c]
                point = b_lo == b_hi and b_e == 0.0
                if load > 0.0:
                    if reached != 0.0:
                        e = (e + load) * (1.0 + 3.0 * _ULP)
                    if not (point and b_lo == 0.0):
                        b_e = (b_e + load) * (1.0 + 3.0 * _ULP)
                a_mag, b_mag = max(abs(lo), abs(hi)), max(abs(b_lo), abs(b_hi))
                a_zero, b_zero = lo == 0.0 and hi == 0.0 and e == 0.0, point and b_lo == 0.0
                a_finite, b_finite = a_mag + e < np.inf and not over, b_mag + b_e < np.inf
                over = over or not b_finite
                zero = False
                if kind == ADD:
                    lo, hi = lo + b_lo, hi + b_hi
                    carried = (e + b_e) * (1.0 + 3.0 * _ULP)
                elif kind == MULTIPLY:
                    t1, t2, t3, t4 = lo * b_lo, lo * b_hi, hi * b_lo, hi * b_hi
                    lo, hi = min(t1, t2, t3, t4), max(t1, t2, t3, t4)
                    carried = (e * b_mag + b_e * a_mag + e * b_e) * (1.0 + 6.0 * _ULP)
                    if e != 0.0 or b_e != 0.0:
                        carried += _LEAST * 4.0
                    zero = (a_zero and b_finite) or (b_zero and a_finite)
                else:
                    least = min(abs(b_lo), abs(b_hi)) * (1.0 - 2.0**-50) - b_e * (1.0 + 2.0**-50)
                    if not least > 0.0 or (b_lo <= 0.0 and b_hi >= 0.0):
                        lo, hi, carried = -np.inf, np.inf, np.inf
                    else:
                        t1, t2, t3, t4 = lo / b_lo, lo / b_hi, hi / b_lo, hi / b_hi
                        lo, hi = min(t1, t2, t3, t4), max(t1, t2, t3, t4)
                        quotient = max(abs(lo), abs(hi)) * (1.0 + 4.0 * _ULP) + _LEAST
                        carried = (e + quotient * b_e) / least * (1.0 + 6.0 * _ULP)
                        if e != 0.0 or b_e != 0.0:
                            carried += _LEAST * 4.0
                        zero = a_zero and b_finite
                if zero:
                    lo, hi, e = 0.0, 0.0, 0.0
                    continue
                if not (lo >= -np.inf and hi <= np.inf):  # NaN: nothing is known
                    lo, hi = -np.inf, np.inf
                lo, hi = lo - (abs(lo) * _OUT + _LEAST), hi + (abs(hi) * _OUT + _LEAST)
                size = max(abs(lo), abs(hi))
                reached = (size + carried) * (1.0 + 3.0 * _ULP)
                own = _one_rounding(reached, unit, relative, absolute)
                if reached != 0.0:
                    own += flush
                e = (carried + own) * (1.0 + 4.0 * _ULP)
                if stores == EACH:
                    stored = (size + e) * (1.0 + 3.0 * _ULP)
                    e = (e + _one_rounding(stored, s_unit, s_relative, s_absolute)) * (1.0 + 4.0 * _ULP)
                if not e <= np.inf:
                    e = np.inf
                reached = (size + e) * (1.0 + 3.0 * _ULP)
                over = over or not (reached < largest and (stores == LAST or reached < s_largest))
            if stores == LAST:
                size = max(abs(lo), abs(hi))
                reached = (size + e) * (1.0 + 3.0 * _ULP)
                e = (e + _one_rounding(reached, s_unit, s_relative, s_absolute)) * (1.0 + 4.0 * _ULP)
                over = over or not (size + e) * (1.0 + 3.0 * _ULP) < s_largest
                if not e <= np.inf:
                    e = np.inf
            error[p, c] = max(error[p, c], e)
            overflow[p, c] = overflow[p, c] or over
