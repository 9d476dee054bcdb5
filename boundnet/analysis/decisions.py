"""Whether rounding can change the predicted class."""

from __future__ import annotations

import numpy as np

from boundnet.analysis.heads import Head, Rows
from boundnet.numerics.outward import Array, up
from boundnet.results import Decision


def decide(
    head: Head, exact: Array, machine: Array, rows: tuple[Rows, Rows], probabilities: tuple[Array, Array] | None
) -> list[Decision | None]:
    """Decisions of a chunk of samples.

    Proved needs margin(f) > its float64 error and margin(f_cast) > the machine's bound for every rival, both
    strictly, written so that NaN fails.

    Args:
        exact, machine: (N, K) centres of the logits of the network as stored and as cast.
        rows: bounds for (machine, exact).
        probabilities: (value, absolute bound) of the softmax output, (N, K), where there is one.
    """
    results: list[Decision | None] = []
    for n in range(len(exact)):
        if head.rule == "sign":
            results.append(_sign(exact[n], machine[n], rows[0].each[n], rows[1].each[n]))
        elif head.rule == "argmax":
            separated = None
            best = int(np.argmax(exact[n]))
            if probabilities is not None:
                value, bound = probabilities[0][n], probabilities[1][n]
                others = np.arange(len(value)) != best
                separated = bool(np.all(value[best] - bound[best] > value[others] + bound[others]))
            results.append(_argmax(best, exact[n], machine[n], rows[0], rows[1], n, separated))
        else:
            results.append(None)
    return results


def _sign(exact: Array, machine: Array, machine_bound: Array, exact_bound: Array) -> Decision:
    logit, cast = float(exact[0]), float(machine[0])
    positive = logit > 0
    sign = 1.0 if positive else -1.0
    proved = bool(sign * logit > exact_bound[0]) and bool(sign * cast > machine_bound[0])
    total = up(np.abs(cast - logit) + machine_bound[0] + exact_bound[0], 3)
    return Decision(int(positive), None, abs(logit), float(total), proved)


def _argmax(best: int, exact: Array, machine: Array, ours: Rows, theirs: Rows, n: int, separated: bool | None) -> Decision:
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
        closest = int(np.argmin(np.where(np.isfinite(slack), slack, margin_cast - 1e300)))
    own = (np.abs(margin_cast) + np.abs(margin_exact)) * 2.0**-50
    both = [np.maximum(np.abs(p[n, best, rivals]), np.abs(p[n, rivals, best])) for p in (first, second)]
    total = up(np.abs(margin_cast - margin_exact) + own + both[0] + both[1], 4)
    return Decision(best, int(rivals[closest]), float(margin_exact[closest]), float(total[closest]),
                    bool(holds.all()) and len(rivals) > 0, separated)  # fmt: skip
