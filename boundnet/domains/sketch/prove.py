"""Screen, decide, freeze, check: one run of a deep network over one input, or over a few of a small one."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from boundnet.domains.chance import Chance
from boundnet.domains.forward import Trace, forward
from boundnet.domains.sketch.certify import certify
from boundnet.domains.sketch.certify_random import certify_random
from boundnet.domains.sketch.domain import Effort, SketchDomain
from boundnet.domains.sketch.settings import TRIES, Settings
from boundnet.graph import LayerGraph
from boundnet.numerics.memory import keep_freed_memory
from boundnet.numerics.outward import Array
from boundnet.roundoff.rounder import Rounder

WIDEN = 1.7
"""Every further try promises radii wider by this factor."""
SCREENING_KEY = 20110923
"""Key of the first run's coins: it proves nothing, so that a fixed one makes results reproducible as far as they can be."""

Note = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Proof:
    """A trace whose radii hold with all but the failure probability of ``checks`` checks, or None after the last try.

    Attributes:
        lost: node from which on radii are by intervals, or None.
        seed: of the coins that proved it.
        tries: second runs that were made.
    """

    trace: Trace | None
    effort: Effort
    checks: int
    tries: int
    seed: int
    kappa: float
    lost: str | None = None


def prove(
    graph: LayerGraph, inputs: Sequence[Array], rounder: Rounder, settings: Settings, wanted: Collection[str], budget: float,
    seed: int | None = None, within: Mapping[str, Array] | None = None, shrink: float | None = None,
    note: Note | None = None, chance: Chance | None = None, lost: str | None = None,
) -> Proof:  # fmt: skip
    """Bound the deviations of the inputs' run; all inputs are proved, or none.

    Args:
        inputs: one (N, *shape) float64 array for each Input node.
        wanted: nodes to keep probes of; none where N > 1.
        budget: multiply-adds that adjoint rows for open decisions may take.
        seed: of the proving coins; None draws one from the operating system after the plan is frozen.
        within: radii that hold already (the exact network's, inside a machine's run of the same graph).
        shrink: promise this share of them, which fewer probes can check; otherwise there is nothing to check.
        note: called with (stage, done, total).
        chance: for the probabilistic guarantee: then 2-norms of mean-independent roundings are promised and checked as well.
        lost: node from which on intervals serve; None finds out whether there is one.
    """
    keep_freed_memory()
    nodes = len(graph.topological())
    for attempt in range(TRIES):
        share = None if shrink is None else shrink ** (1.0 / (1 + attempt))
        lam = 0.0 if chance is None else chance.lam
        domain = SketchDomain(graph, settings, SCREENING_KEY + attempt, budget, within, WIDEN**attempt, share, lam, lost)
        done = 0

        def tick(_: str) -> None:
            nonlocal done
            done += 1
            if note is not None:
                note("screening", done, nodes)

        trace = forward(graph, inputs, rounder, domain, tick=tick, chance=chance)
        coins = secrets.randbits(64) if seed is None else (seed + attempt) % 2**64
        checking = None if note is None else functools.partial(note, "checking")
        radii = domain.plan.radius if lam else None
        found = certify(domain.plan, domain.limits, settings, coins, wanted if chance is None else (), checking, radii)
        if found.holds and domain.random_limits:
            second = certify_random(domain.plan, domain.random_limits, domain.plan.radius, settings, coins, checking)
            found = replace(found, holds=second.holds, checks=found.checks + second.checks)
        if found.holds:
            trace = replace(trace, sketches=found.sketches, lost=domain.lost)
            return Proof(trace, domain.effort, found.checks, attempt + 1, coins, found.kappa, domain.lost)
    return Proof(None, domain.effort, 0, TRIES, coins, found.kappa)
