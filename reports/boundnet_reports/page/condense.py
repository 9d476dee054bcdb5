"""From operations to the boxes of a picture: one box for each use of a layer, nested models folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import networkx as nx

from boundnet.results import Analysis, Node


@dataclass(frozen=True)
class Box:
    """A layer, one of several uses of it, or a folded nested model.

    Attributes:
        label: what to write in it.
        layers: names of the source layers inside.
        nodes: operations inside.
        fold: prefix of the nested model that is folded here, or None.
    """

    key: str
    label: str
    layers: tuple[str, ...]
    nodes: tuple[str, ...]
    fold: str | None = None


@dataclass(frozen=True)
class Picture:
    """Boxes and arrows between them, without cycles; ``folded``: the pictures of nested models, by prefix."""

    boxes: Mapping[str, Box]
    graph: nx.DiGraph[str]
    folded: Mapping[str, Picture] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of boxes, those of folded pictures included."""
        return len(self.boxes) + sum(inner.size for inner in self.folded.values())


def picture(analysis: Analysis) -> Picture | None:
    """The network of ``analysis``; None where the result does not tell (schema 1.0)."""
    return _draw(analysis.nodes, "") if analysis.nodes else None


def _draw(nodes: Sequence[Node], prefix: str) -> Picture:
    groups = _groups(nodes, prefix)
    for folding in (groups, {}):
        labels = {node.name: folding.get(node.name, node.layer) for node in nodes}
        boxes, graph = _contract(nodes, labels, set(folding.values()), prefix)
        if nx.is_directed_acyclic_graph(graph):
            break
    else:  # a layer's operations are interleaved with another's
        boxes, graph = _contract(nodes, {node.name: node.name for node in nodes}, set(), prefix)
        return Picture(boxes, graph)
    inner = {}
    for box in boxes.values():
        if box.fold is not None:
            inside = set(box.nodes)
            inner[box.key] = _draw([node for node in nodes if node.name in inside], box.fold)
    return Picture(boxes, graph, inner)


def _groups(nodes: Sequence[Node], prefix: str) -> dict[str, str]:
    """Node -> prefix of the nested model it belongs to, for those with several layers inside and something outside."""
    found = {}
    for node in nodes:
        head, slash, _ = node.layer.removeprefix(prefix).partition("/")
        if slash and head:
            found[node.name] = f"{prefix}{head}/"
    layers = Counter(found[name] for name in {node.layer: node.name for node in nodes}.values() if name in found)
    kept = {name: group for name, group in found.items() if layers[group] > 1}
    if len(set(kept.values())) == 1 and len(kept) == len(nodes):
        return _groups(nodes, next(iter(kept.values())))
    return kept


def _contract(
    nodes: Sequence[Node], labels: Mapping[str, str], folds: set[str], prefix: str
) -> tuple[dict[str, Box], nx.DiGraph[str]]:
    """One box for each connected set of nodes with the same label; a second use of a layer is a box of its own."""
    known = {node.name: node for node in nodes}
    same: nx.Graph[str] = nx.Graph()
    same.add_nodes_from(known)
    edges = [(source, node.name) for node in nodes for source in node.inputs if source in known]
    same.add_edges_from((a, b) for a, b in edges if labels[a] == labels[b])
    boxes: dict[str, Box] = {}
    of: dict[str, str] = {}
    uses: Counter[str] = Counter()
    position = {name: n for n, name in enumerate(known)}
    for part in sorted(nx.connected_components(same), key=lambda part: min(position[name] for name in part)):
        names = sorted(part, key=position.__getitem__)
        label = labels[names[0]]
        uses[label] += 1
        key = f"{label} {uses[label]}"
        again = f" ({uses[label]})" if uses[label] > 1 else ""
        layers = tuple(dict.fromkeys(known[name].layer for name in names))
        text = label.removeprefix(prefix).rstrip("/") or label
        boxes[key] = Box(key, text + again, layers, tuple(names), label if label in folds else None)
        of.update((name, key) for name in names)
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(boxes)
    graph.add_edges_from((of[a], of[b]) for a, b in edges if of[a] != of[b])
    return boxes, graph
