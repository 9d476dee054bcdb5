"""Exact radii of chosen elements: adjoint rows through their receptive fields.

E = |shift| + fresh + sum over nodes of |J| named, with J the coefficients of the named symbols, and lambda times the 2-norm
of the mean-independent ones: what the affine domain would give, for a few elements of a network too large for it.  Rows of
neighbours run together through the box of
everything that they read.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.domains.sketch.plan import Plan
from boundnet.kernels.threads import spread
from boundnet.maps import LinearMap
from boundnet.maps.crop import Region, crop, cut, embed, hull, shape_of, size_of, whole
from boundnet.numerics.norms import norm2, root_sum
from boundnet.numerics.outward import Array, raise_tiny, up
from boundnet.numerics.weigh import weigh, weigh2

Elements = npt.NDArray[np.int64]
ROW_VALUES = 1 << 23
"""Most float64 values of one tensor's rows at a time."""


@dataclass(frozen=True)
class _Step:
    """Rows of ``target`` (on ``outputs``) pass through ``linear`` to ``source`` (on ``inputs``)."""

    target: str
    linear: LinearMap
    outputs: Region
    source: str
    inputs: Region


@dataclass(frozen=True)
class Cone:
    """Everything that a box of one node's elements depends on."""

    node: str
    regions: dict[str, Region]
    steps: tuple[_Step, ...]

    @property
    def largest(self) -> int:
        """Size of its largest box."""
        return max(size_of(region) for region in self.regions.values())


def cone_of(plan: Plan, order: list[str], node: str, region: Region) -> Cone:
    """The receptive field of ``region`` of ``node``; ``order`` is topological and ends with ``node``."""
    regions: dict[str, Region] = {node: region}
    steps = []
    for name in reversed(order):
        if name not in regions:
            continue
        for source, linear in plan.links.get(name, ()):
            small, inputs, outputs = crop(linear, regions[name])
            if size_of(inputs) == 0:
                continue
            steps.append(_Step(name, small, outputs, source, inputs))
            regions[source] = hull(regions[source], inputs) if source in regions else inputs
    return Cone(node, regions, tuple(steps))


def rows_through(plan: Plan, cone: Cone, rows: Array) -> tuple[Array, Array]:
    """sum |J| named and the 2-norm of J random_named, for rows (R, N, *region of the cone's node): two (R,), rounded up."""
    count = len(rows)
    squares = [np.zeros(count)]
    pending: dict[str, Array] = {cone.node: rows}
    total = np.zeros(count)
    left: dict[str, int] = {}
    for each in cone.steps:
        left[each.target] = left.get(each.target, 0) + 1
    weighed = set()
    parts = 0
    steps: list[_Step | None] = [*cone.steps, None]
    for step in steps:
        # Reversed topological order: all rows of a node have arrived when its first step comes.
        for name in [n for n in pending if n not in weighed and (step is None or n == step.target)]:
            weighed.add(name)
            if name in plan.named:
                parts += 1
                total = total + weigh(pending[name].reshape(count, -1), _flat(plan.named[name], cone.regions[name]))
            if name in plan.random_named:
                squares.append(weigh2(pending[name].reshape(count, -1), _flat(plan.random_named[name], cone.regions[name])))
            if name not in left:
                del pending[name]
        if step is None:
            break
        row = embed(pending[step.target], cone.regions[step.target], step.outputs)
        back = embed(step.linear.transpose(row), step.inputs, cone.regions[step.source])
        pending[step.source] = pending[step.source] + back if step.source in pending else back
        left[step.target] -= 1
        if left[step.target] == 0:
            del pending[step.target]
    return up(total, parts + 2), norm2(np.stack(squares))


def _flat(noise: Array, region: Region) -> Array:
    return raise_tiny(np.ascontiguousarray(cut(noise, region)).reshape(-1))


def exact_radii(
    plan: Plan, order: list[str], node: str, elements: Elements, budget: float = np.inf
) -> tuple[Elements, Array, float]:
    """Radii of the flat ``elements`` of ``node`` (counted over all samples) from the coefficients of all symbols.

    Args:
        budget: multiply-adds to spend; where it is too small for all, the first elements are served.

    Returns:
        (the elements served, their radii, multiply-adds spent).
    """
    samples, *rest = plan.noise[node].shape
    shape = tuple(rest)
    known = np.broadcast_to(plan.known(node), (samples, *shape)).reshape(-1)
    fresh = np.broadcast_to(plan.random_fresh.get(node, np.zeros(())), (samples, *shape)).reshape(-1)
    order = order[: order.index(node) + 1]
    cone_at = functools.lru_cache(2)(lambda region: cone_of(plan, order, node, region))
    parts, work = _tiles(cone_at, elements, shape)
    if work > budget:
        elements = elements[: int(len(elements) * max(budget, 0.0) / work)]
        if len(elements) == 0:
            return elements, np.zeros(0), 0.0
        parts, work = _tiles(cone_at, elements, shape)
    found = np.empty(len(elements))

    def serve(part: Elements, region: Region) -> None:
        cone = cone_at(region)
        step = max(1, ROW_VALUES // max(1, cone.largest * samples))
        for start in range(0, len(part), step):
            chosen = part[start : start + step]
            rows = np.zeros((len(chosen), samples, *shape_of(region)))
            sample, *places = np.unravel_index(elements[chosen], (samples, *shape))
            where: Any = (np.arange(len(chosen)), sample, *(p - low for p, (low, _) in zip(places, region, strict=True)))
            rows[where] = 1.0
            worst, random = rows_through(plan, cone, rows)
            total = worst + known[elements[chosen]]
            if plan.lam:
                total = total + plan.lam * root_sum(random, fresh[elements[chosen]])
            found[chosen] = up(total, 4)

    def work_on(first: int, last: int) -> None:
        for part, region in parts[first:last]:
            serve(part, region)

    # Neighbourhoods side by side: the matrices of one are too small to be worth a second thread.
    spread(work_on, len(parts))
    return elements, np.where(np.isnan(found), np.inf, found), work


Part = tuple[npt.NDArray[np.int64], Region]
ConeAt = Callable[[Region], Cone]


def _tiles(cone_at: ConeAt, elements: Elements, shape: tuple[int, ...]) -> tuple[list[Part], float]:
    """Positions in ``elements`` grouped by neighbourhood, each with the box that holds them, and the work they take.

    Small tiles keep receptive fields small, large ones share a pass: the size with the least estimated work is taken.
    """
    everything = [(np.arange(len(elements)), whole(shape))]
    if len(shape) < 2:
        return everything, _work(cone_at(whole(shape)), len(elements))
    places = np.unravel_index(elements % math.prod(shape), shape)
    best, least = everything, _work(cone_at(whole(shape)), len(elements))
    tile = max(shape[:-1]) // 2
    while tile >= 1:
        parts = _grouped(places, shape, tile)
        middle = tuple(((n - min(tile, n)) // 2, (n - min(tile, n)) // 2 + min(tile, n)) for n in shape[:-1])
        each = _work(cone_at((*middle, (0, shape[-1]))), 1.0)
        work = len(elements) * each + (len(parts) - 1) * PASS_WORK
        if work < least:
            best, least = parts, work
        tile //= 2
    return best, least


def _work(cone: Cone, rows: float) -> float:
    """Multiply-adds of one pass of ``rows`` rows through ``cone``, its overhead included."""
    return PASS_WORK + rows * sum(size_of(step.inputs) * min(step.linear.fan_out, 4096) for step in cone.steps)


def _grouped(places: tuple[Elements, ...], shape: tuple[int, ...], tile: int) -> list[Part]:
    keys = np.stack([p // tile for p in places[:-1]], axis=1)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(group.reshape(-1), kind="stable")
    bounds = np.flatnonzero(np.diff(group.reshape(-1)[order])) + 1
    parts = []
    for part in np.split(order, bounds):
        spatial = tuple((int(p[part].min()), int(p[part].max()) + 1) for p in places[:-1])
        parts.append((part, (*spatial, (0, shape[-1]))))
    return parts


PASS_WORK = 1e8
"""What a pass costs beside its arithmetic, in multiply-adds: maps to crop and calls to make."""
