"""The second run: fresh coins check every radius that the first run promised.

All coefficients are frozen before the coins are tossed, so each check fails to notice a radius that is too small with the
probability of :func:`boundnet.domains.estimate.log_tau`.  Where all hold, induction along the topological order proves
|D| <= E <= E' everywhere: a node's coefficients rest on the radii of earlier nodes only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from boundnet.domains.estimate import LOG_SLACK, add_logs
from boundnet.domains.probe_bounds import Sketched
from boundnet.domains.sketch.plan import Plan
from boundnet.domains.sketch.probes import Probes
from boundnet.domains.sketch.rows import Elements, exact_radii
from boundnet.domains.sketch.settings import Settings
from boundnet.numerics.outward import Array, up

MOST_REPAIRS = 2048
"""Promises that probes could not confirm and that rows are asked about, before a run is given up."""


@dataclass(frozen=True)
class Certificate:
    """Outcome of a second run.

    Attributes:
        holds: whether every promise was confirmed.
        checks: how many were asked of the probes, the outputs included.
        repaired: how many were confirmed by rows instead.
        kappa: largest relative rounding met in the probes.
        sketches: what the probes say of the nodes asked for.
    """

    holds: bool
    checks: int
    repaired: int
    kappa: float
    sketches: dict[str, Sketched]


def certify(
    plan: Plan, limits: Mapping[str, Array], settings: Settings, seed: int, wanted: Collection[str],
    note: Callable[[int, int], None] | None = None, radii: Mapping[str, Array] | None = None,
) -> Certificate:  # fmt: skip
    """Check ``limits`` (node -> promised radius, inf where there is none) with coins from ``seed``.

    Args:
        radii: what rows have to confirm where probes do not, ``limits`` unless these are parts of radii only.
        plan: frozen; its arrays must not have been chosen with ``seed`` known.
        wanted: nodes whose probes are kept.
        note: called with (probes done, probes to do).
    """
    count = settings.checking
    allowed = {name: _allowance(plan, name, limit) for name, limit in limits.items()}
    # The probes' rounding is relative to all noise, and part of it is not in the named part yet.
    spread = {name: up(1.0 + _flat(_beside(plan, name), limit.size) / limit, 3) for name, limit in allowed.items()}
    totals = {name: np.zeros(limit.size) for name, limit in allowed.items()}
    kept: dict[str, list[Array]] = {name: [] for name in wanted if plan.links.get(name)}
    kappas = np.zeros(count)
    order = plan.graph.topological()
    order = order[: 1 + max((i for i, name in enumerate(order) if name in allowed or name in kept), default=-1)]

    def run(first: int, size: int) -> Array:
        """One chunk's logarithms and the probes to keep; returns what the probes are off by at the end."""
        probes = Probes(plan, size, first, seed, measure=True)
        for name in order:
            if plan.links.get(name):
                probes.advance(name)
                if name in allowed:
                    value, scale = probes.raw(name)
                    add_logs(value, _before(allowed[name], scale), probes.kappa, spread[name], totals[name])
                if name in kept:
                    kept[name].append(probes.value(name).reshape(size, -1).copy())
            probes.forget(name)
        return probes.kappa

    for first in range(0, count if order else 0, settings.chunk):
        size = min(settings.chunk, count - first)
        kappas[first : first + size] = run(first, size)
        if not np.isfinite(kappas[: first + size]).all():
            return Certificate(False, 0, 0, np.inf, {})
        if note is not None:
            note(first + size, count)
    kappa = float(kappas.max(initial=0.0))
    needed = -count * (settings.log_tau + LOG_SLACK)
    failed = {name: np.flatnonzero(~(total < needed)) for name, total in totals.items()}
    checks = count_checks(limits)
    repairs = repaired(plan, limits if radii is None else radii, failed)
    if repairs is None:
        return Certificate(False, checks, 0, kappa, {})
    sketches = {name: _sketched(plan, name, np.concatenate(parts), kappas, settings) for name, parts in kept.items()}
    outputs = sum(4 * s.probes.shape[1] for s in sketches.values())
    return Certificate(True, checks + outputs, repairs, kappa, sketches)


def count_checks(limits: Mapping[str, Array]) -> int:
    """How many promises there are."""
    return sum(int(np.isfinite(limit).sum()) for limit in limits.values())


def repaired(plan: Plan, radii: Mapping[str, Array], failed: Mapping[str, Elements]) -> int | None:
    """Confirm the radii of ``failed`` elements by rows: how many there were, None where one is wrong or too many."""
    repairs = sum(len(elements) for elements in failed.values())
    if repairs > MOST_REPAIRS:
        return None
    order = plan.graph.topological()
    for name, elements in failed.items():
        if len(elements):
            _, exact, _ = exact_radii(plan, order, name, elements)
            if not np.all(exact <= radii[name].reshape(-1)[elements]):
                return None
    return repairs


def _before(limit: Array, scale: Array | None) -> Array:
    """The limit of probes that are still to be multiplied by ``scale``, rounded down; inf where they vanish.

    A NaN stays one: where nothing is left for the named part, its vanishing confirms nothing.
    """
    if scale is None:
        return limit
    with np.errstate(divide="ignore"):
        left = np.maximum(limit / np.abs(scale) * (1.0 - 2.0**-50), 2.0**-1000)
    return np.where((scale == 0.0) & ~np.isnan(limit), np.inf, left)


def _beside(plan: Plan, name: str) -> Array:
    """Radius of what a node's probes leave out, its shift apart: fresh symbols, and those that got names at it."""
    return up(plan.fresh[name] + plan.named[name], 1) if name in plan.named else plan.fresh[name]


def _flat(value: Array, size: int) -> Array:
    return np.broadcast_to(value.reshape(-1), (size,))


def _allowance(plan: Plan, name: str, limit: Array) -> Array:
    """What a promised radius leaves to the named part, rounded down; NaN, which no probe confirms, where it is too small."""
    limit = limit.reshape(-1)
    known = _flat(_beside(plan, name), limit.size)
    if name in plan.shift:
        known = up(known + np.abs(plan.shift[name].reshape(-1)), 1)
    left = np.nextafter(limit - known, -np.inf) * (1.0 - 2.0**-50)
    return np.where(np.isinf(limit), np.inf, np.where(left > 0.0, np.maximum(left, 2.0**-1000), np.nan))


def _sketched(plan: Plan, name: str, probes: Array, kappa: Array, settings: Settings) -> Sketched:
    shape = (probes.shape[1],)
    shift = plan.shift[name].reshape(shape) if name in plan.shift else np.zeros(shape)
    known = _flat(_beside(plan, name), shape[0])
    return Sketched(probes, shift, known, kappa, settings.log_tau)
