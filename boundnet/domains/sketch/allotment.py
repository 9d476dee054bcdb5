"""How the work for open decisions is shared out: no layer takes it all, what one does not need is left to later ones."""

from __future__ import annotations

import numpy as np

from boundnet.domains.sketch.settings import cost_of_node
from boundnet.graph import LayerGraph
from boundnet.ops.base import Op


class Allotment:
    """Multiply-adds that each node's adjoint rows may take.

    A node whose readers can leave a decision open gets a share in proportion to its size times what a row from there costs,
    which is at most a pass through everything before it.

    Args:
        budget: multiply-adds of all rows together.
    """

    def __init__(self, graph: LayerGraph, budget: float) -> None:
        self._budget = budget
        self._weights: dict[str, float] = {}
        before = 0.0
        for name in graph.topological():
            before += cost_of_node(graph, name)
            if any(type(graph.op(reader)).undecided is not Op.undecided for reader in graph.readers(name)):
                self._weights[name] = before * float(np.prod(graph.shape(name), dtype=np.float64))
        self._left = sum(self._weights.values())

    def for_node(self, name: str, spent: float) -> float:
        """What ``name`` may take after ``spent``; every node asks once, in topological order."""
        weight = self._weights.get(name, 0.0)
        share = weight / self._left if self._left > 0.0 else 0.0
        self._left -= weight
        return max(self._budget - spent, 0.0) * min(share, 1.0)
