"""The second run for mean-independent symbols: fresh normal coins check every 2-norm that the first run promised.

With the true 2-norm E of an element's named symbols, sum P_k**2 / E**2 is a chi-square variable with K degrees of freedom,
so that E exceeds sqrt(sum P_k**2 / (x K)) with a probability of at most exp(log_p) only (:func:`chi_square_share`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from boundnet.domains.sketch.certify import Certificate, count_checks, repaired
from boundnet.domains.sketch.gaussian import chi_square_share
from boundnet.domains.sketch.plan import Plan
from boundnet.domains.sketch.probes import Probes
from boundnet.domains.sketch.settings import Settings
from boundnet.numerics.norms import norm2, root_sum
from boundnet.numerics.outward import Array, up


def random_factors(settings: Settings) -> tuple[float, float, float]:
    """Factors on an estimate of a 2-norm: hardly any check fails to confirm the first, most confirm the last."""
    needed = 1.0 / np.sqrt(chi_square_share(settings.checking, settings.log_p))
    # Standard deviation of the logarithm of a root mean square of K normal variables: about 1 / sqrt(2 K).
    scatter = np.sqrt(0.5 / settings.screening + 0.5 / settings.checking)
    loose, tight, least = (float(needed * np.exp(deviations * scatter)) for deviations in (5.5, 3.5, 2.0))
    return loose, tight, least


def certify_random(
    plan: Plan, limits: Mapping[str, Array], radii: Mapping[str, Array], settings: Settings, seed: int,
    note: Callable[[int, int], None] | None = None,
) -> Certificate:  # fmt: skip
    """Check ``limits`` (node -> promised 2-norm of the named symbols, inf where there is none) with coins from ``seed``.

    Args:
        radii: promised in all, what rows have to confirm where probes do not: the probes' own rounding is relative to them,
            since rows may have confirmed them where the worst-case part alone was not.
    """
    count = settings.checking
    totals = {name: np.zeros(limit.size) for name, limit in limits.items()}
    coins, carried = np.zeros(count), np.zeros(count)
    for first in range(0, count, settings.chunk):
        probes = Probes(plan, min(settings.chunk, count - first), first, seed, measure=True, random=True)
        for name in plan.graph.topological():
            if plan.links.get(name):
                probes.advance(name)
                if name in limits:
                    value = probes.value(name).reshape(-1, totals[name].size)
                    totals[name] = root_sum(totals[name], *value)
            probes.forget(name)
        last = min(count, first + settings.chunk)
        coins[first:last], carried[first:last] = probes.coin_error, probes.carried_error
        if note is not None:
            note(last, count)
    checks = count_checks(limits)
    # 2-norms over the probes of what each is off by.
    coin, carry = (float(norm2(part)) for part in (coins, carried))
    if not np.isfinite(coin + carry):
        return Certificate(False, checks, 0, np.inf, {})
    symbols = sum(named.size for named in plan.random_named.values())
    failed = {}
    for name, limit in limits.items():
        # |P^ - P| <= coins * (1-norm of the symbols) + carried * (worst-case part), 1-norm <= sqrt(symbols) * 2-norm.
        share = np.sqrt(count * chi_square_share(count, settings.log_p)) - np.sqrt(float(symbols)) * coin * (1.0 + 2.0**-40)
        blur = up(carry * radii[name].reshape(-1), 4)
        with np.errstate(invalid="ignore"):  # no promise, no limit: inf - inf
            needed = limit.reshape(-1) * (share * (1.0 - 2.0**-40)) - blur
        promised = np.isfinite(limit.reshape(-1))
        failed[name] = np.flatnonzero(promised & ~(totals[name] <= needed * (1.0 - 2.0**-40)))
    repairs = repaired(plan, radii, failed)
    return Certificate(repairs is not None, checks, repairs or 0, coin + carry, {})
