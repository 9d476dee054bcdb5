"""A layered layout that reads like text: ranks go from left to right and wrap into bands.

Ranks are longest paths from the inputs; edges over several ranks get a place in each, so that branches stay visible;
places within a rank follow the mean of their neighbours' (Sugiyama, Tagawa & Toda 1981).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx

Place = tuple[str, str | None]
"""A box (key, None), or the edge (from, to) where it passes a rank."""


@dataclass(frozen=True)
class Size:
    """Measures in pixels: of a box, of the gaps between them, and the width at which to wrap."""

    width: float
    height: float
    across: float
    down: float
    wrap: float

    @property
    def columns(self) -> int:
        """Ranks in a band."""
        return max(2, int((self.wrap - 2 * self.margin + self.across) // (self.width + self.across)))

    @property
    def margin(self) -> float:
        """Room at both sides for edges that go on to the next band."""
        return 26.0


@dataclass(frozen=True)
class Layout:
    """Where boxes are (left, top) and the points each edge passes; (x, y) in pixels."""

    boxes: dict[str, tuple[float, float]]
    edges: dict[tuple[str, str], list[list[tuple[float, float]]]]
    width: float
    height: float


def arrange(graph: nx.DiGraph[str], size: Size) -> Layout:
    """Places for the acyclic ``graph``.  An edge is a list of strokes, more than one where it goes on in another band."""
    ranks = _ranks(graph)
    paths = _paths(graph, ranks)
    rows = _rows(ranks, paths)
    links = [(a, b) for path in paths.values() for a, b in pairwise(path)]
    _reorder(rows, links)
    level = _levels(rows, links, size)
    bands = -(-len(rows) // size.columns)
    breaks = _breaks(len(rows), _crossings(paths, len(rows)), size.columns if bands > 4 else -(-len(rows) // max(bands, 1)))
    boxes: dict[str, tuple[float, float]] = {}
    centres: dict[tuple[Place, int], tuple[float, float]] = {}
    top, lanes = 4.0, []
    for first, last in breaks:
        places = [(place, rank) for rank in range(first, last) for place in rows[rank]]
        low = min(level[p] - _half(p[0], size) for p in places)
        high = max(level[p] + _half(p[0], size) for p in places)
        for place, rank in places:
            x = size.margin + (rank - first) * (size.width + size.across)
            y = top + level[place, rank] - low
            centres[place, rank] = (x, y)
            if place[1] is None:
                boxes[place[0]] = (x, y - size.height / 2)
        top += high - low
        lanes.append(top)
        top += size.down + 8
    band = [next(n for n, (first, last) in enumerate(breaks) if first <= rank < last) for rank in range(len(rows))]
    width = size.margin * 2 + max(last - first for first, last in breaks) * (size.width + size.across) - size.across
    used = [0] * len(breaks)
    edges = {}
    for edge, path in paths.items():
        strokes: list[list[tuple[float, float]]] = [[]]
        for place, rank in path:
            x, y = centres[place, rank]
            if strokes[-1] and band[rank] != band[rank - 1]:
                lane = used[band[rank - 1]] = used[band[rank - 1]] + 1
                shift = 4.0 * (lane % 5)
                turn = lanes[band[rank - 1]] + size.down / 2 - 6.0 + shift
                right, left = width - 20.0 + shift, 20.0 - shift
                strokes[-1] += [(right, strokes[-1][-1][1]), (right, turn), (left, turn), (left, y)]
                strokes.append([(left, y)])
            if place[1] is not None:
                strokes[-1] += [(x, y), (x + size.width, y)]
            else:
                strokes[-1].append((x if place[0] == edge[1] else x + size.width, y))
        edges[edge] = strokes
    return Layout(boxes, edges, width, lanes[-1] + 4.0 if lanes else 0.0)


def _ranks(graph: nx.DiGraph[str]) -> dict[str, int]:
    rank: dict[str, int] = {}
    for number, generation in enumerate(nx.topological_generations(graph)):
        rank.update(dict.fromkeys(generation, number))
    for name in graph:  # a late input stands beside what reads it
        if graph.in_degree(name) == 0 and graph.out_degree(name):
            rank[name] = min(rank[reader] for reader in graph.successors(name)) - 1
    return rank


def _paths(graph: nx.DiGraph[str], ranks: dict[str, int]) -> dict[tuple[str, str], list[tuple[Place, int]]]:
    return {
        (a, b): [((a, None), ranks[a]), *(((a, b), rank) for rank in range(ranks[a] + 1, ranks[b])), ((b, None), ranks[b])]
        for a, b in graph.edges
    }


def _rows(ranks: dict[str, int], paths: dict[tuple[str, str], list[tuple[Place, int]]]) -> list[list[Place]]:
    rows: list[list[Place]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for name, rank in ranks.items():
        rows[rank].append((name, None))
    for path in paths.values():
        for place, rank in path[1:-1]:
            rows[rank].append(place)
    return rows


Spot = tuple[Place, int]


def _neighbours(links: Sequence[tuple[Spot, Spot]]) -> tuple[dict[Spot, list[Spot]], dict[Spot, list[Spot]]]:
    before: dict[Spot, list[Spot]] = {}
    after: dict[Spot, list[Spot]] = {}
    for a, b in links:
        before.setdefault(b, []).append(a)
        after.setdefault(a, []).append(b)
    return before, after


def _reorder(rows: list[list[Place]], links: Sequence[tuple[Spot, Spot]], sweeps: int = 6) -> None:
    """Sort each row by the mean position of its neighbours, forward and backward in turn."""
    before, after = _neighbours(links)
    for sweep in range(sweeps):
        forward = sweep % 2 == 0
        near = before if forward else after
        for rank in range(len(rows)) if forward else reversed(range(len(rows))):
            other = rank - 1 if forward else rank + 1
            if not 0 <= other < len(rows):
                continue
            at = {(place, other): float(n) for n, place in enumerate(rows[other])}
            own = {place: n for n, place in enumerate(rows[rank])}

            wishes = {}
            for place in rows[rank]:
                found = near.get((place, rank))
                wishes[place] = sum(at[spot] for spot in found) / len(found) if found else float(own[place])
            rows[rank].sort(key=wishes.__getitem__)


def _half(place: Place, size: Size) -> float:
    return size.height / 2 if place[1] is None else 3.0


def _levels(rows: list[list[Place]], links: Sequence[tuple[Spot, Spot]], size: Size) -> dict[Spot, float]:
    """Heights that keep chains straight: each place wishes to stand beside its neighbours, order and gaps are kept."""
    before, after = _neighbours(links)
    level: dict[Spot, float] = {}

    def settle(rank: int, near: dict[Spot, list[Spot]]) -> None:
        row = rows[rank]
        wishes = []
        for place in row:
            found = [level[spot] for spot in near.get((place, rank), ()) if spot in level]
            wishes.append(sum(found) / len(found) if found else level.get((place, rank), 0.0))
        at: list[float] = []
        for n, place in enumerate(row):
            least = at[-1] + _half(row[n - 1], size) + _half(place, size) + size.down / 2 if n else -1e9
            at.append(max(wishes[n], least))
        excess = sum(a - w for a, w in zip(at, wishes, strict=True)) / max(len(row), 1)
        for place, y in zip(row, at, strict=True):
            level[place, rank] = y - excess

    for rank in range(len(rows)):
        settle(rank, before)
    for rank in reversed(range(len(rows))):
        settle(rank, {spot: [*before.get(spot, []), *after.get(spot, [])] for spot in ((p, rank) for p in rows[rank])})
    return level


def _crossings(paths: dict[tuple[str, str], list[tuple[Place, int]]], count: int) -> list[int]:
    """For each rank, how many edges come from before it."""
    crossing = [0] * (count + 1)
    for path in paths.values():
        for _, rank in path[1:]:
            crossing[rank] += 1
    return crossing


def _breaks(count: int, crossing: list[int], columns: int) -> list[tuple[int, int]]:
    """(first, last + 1) of each band: full where possible, broken where few edges cross."""
    bands = []
    first = 0
    while first < count:
        last = min(count, first + columns)
        if last < count:
            choices = range(first + max(1, (2 * columns) // 3), last + 1)
            last = min(choices, key=lambda rank: (crossing[rank], -rank))
        bands.append((first, last))
        first = last
    return bands or [(0, 0)]
