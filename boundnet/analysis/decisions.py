"""Whether rounding can change the predicted class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from boundnet.analysis.heads import Head, Rows
from boundnet.analysis.ties import ranges_apart, softmax_apart
from boundnet.arithmetic import Arithmetic
from boundnet.numerics.outward import Array, up
from boundnet.results import Decision


def decide(
    head: Head, exact: Array, machine: Array, rows: tuple[Rows, Rows], returned: tuple[Array, Array] | None,
    rules: Arithmetic,
) -> list[Decision | None]:  # fmt: skip
    """Decisions of a chunk of samples.

    The class holds on the logits if margin(f) > its float64 error and margin(f_cast) > the machine's bound for every rival,
    both strictly, written so that NaN fails.  Proved is what a program returns: where that is not the logits, the returned
    values must differ, too (:mod:`boundnet.analysis.ties`).

    Args:
        exact, machine: (N, K) centres of the logits of the network as stored and as cast.
        rows: bounds for (machine, exact).
        returned: (value, absolute bound) of the output, (N, K), where that is not the logits.
    """
    results: list[Decision | None] = []
    for n in range(len(exact)):
        if head.rule == "sign":
            found, gap = _sign(exact[n], machine[n], rows[0].each[n], rows[1].each[n])
        elif head.rule == "argmax":
            found, gap = _argmax(int(np.argmax(exact[n])), exact[n], machine[n], rows[0], rows[1], n)
        else:
            results.append(None)
            continue
        if returned is not None:
            found = _as_returned(found, gap, head, (returned[0][n], returned[1][n]), rules)
        results.append(found)
    return results


def _as_returned(found: Decision, gap: float, head: Head, returned: tuple[Array, Array], rules: Arithmetic) -> Decision:
    """The decision on what the program returns, (K,), from that on the logits, which lead by more than ``gap``."""
    (value, bound), best = returned, found.class_index
    with np.errstate(invalid="ignore"):
        low, high = np.nextafter(value - bound, -np.inf), np.nextafter(value + bound, np.inf)
    apart = bool(ranges_apart(low[None], high[None], np.array([best]))[0])
    if head.softmax and found.proved and not apart:
        apart = bool(softmax_apart(rules, np.array([gap]), bound[best : best + 1], len(value))[0])
    return replace(
        found, proved=found.proved and apart, probabilities_separated=apart, logits_only=found.proved and not apart
    )


def _sign(exact: Array, machine: Array, machine_bound: Array, exact_bound: Array) -> tuple[Decision, float]:
    logit, cast = float(exact[0]), float(machine[0])
    positive = logit > 0
    sign = 1.0 if positive else -1.0
    proved = bool(sign * logit > exact_bound[0]) and bool(sign * cast > machine_bound[0])
    total = up(np.abs(cast - logit) + machine_bound[0] + exact_bound[0], 3)
    found = Decision(
        int(positive), None, abs(logit), float(total), proved, exact_margin_bound=float(exact_bound[0]),
        cast_margin=sign * cast, cast_margin_bound=float(machine_bound[0]),
    )  # fmt: skip
    return found, 0.0


def _argmax(best: int, exact: Array, machine: Array, ours: Rows, theirs: Rows, n: int) -> tuple[Decision, float]:
    """The decision on the logits, and by how much the computed one leads at least; the rival is the closest one."""
    first, second = ours.pairs, theirs.pairs
    assert first is not None
    assert second is not None
    rivals = np.flatnonzero(np.arange(len(exact)) != best)
    # Rounding is monotone and the bounds are floats: a rounded difference above one has an exact difference above it.
    margin_exact, margin_cast = exact[best] - exact[rivals], machine[best] - machine[rivals]
    bound_cast, bound_exact = -first[n, best, rivals], -second[n, best, rivals]
    holds = (margin_exact > bound_exact) & (margin_cast > bound_cast)
    with np.errstate(invalid="ignore"):
        slack = np.where(np.isfinite(bound_cast), margin_cast - bound_cast, -np.inf)
        least = np.where(np.isfinite(slack), slack, margin_cast - 1e300)
        closest = int(np.argmin(np.where(holds, least, np.minimum(least, margin_exact - bound_exact))))
        # Three roundings, each of at most 2**-53 of its operands' sizes.
        lead = slack - (np.abs(margin_cast) + np.abs(bound_cast)) * 2.0**-50
    own = (np.abs(margin_cast) + np.abs(margin_exact)) * 2.0**-50
    both = [np.maximum(np.abs(p[n, best, rivals]), np.abs(p[n, rivals, best])) for p in (first, second)]
    total = up(np.abs(margin_cast - margin_exact) + own + both[0] + both[1], 4)
    found = Decision(
        best, int(rivals[closest]), float(margin_exact[closest]), float(total[closest]),
        bool(holds.all()) and len(rivals) > 0, exact_margin_bound=float(bound_exact[closest]),
        cast_margin=float(margin_cast[closest]), cast_margin_bound=float(bound_cast[closest]),
    )  # fmt: skip
    gap = float(lead.min())
    return found, gap if gap > 0.0 else 0.0
