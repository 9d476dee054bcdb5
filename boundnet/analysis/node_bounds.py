"""What an analysis knows of every node: kept where single layers, not outputs alone, are to be compared with executions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from boundnet.analysis.runs import Runs
from boundnet.numerics.outward import Array


@dataclass(frozen=True)
class Nodes:
    """Bounds of all nodes for a few inputs; arrays are (N, *shape).

    Every conforming run lies within ``radius`` of ``centre``, node by node, under the guarantee of the analysis: radii that
    rest on a sketch's promises were all checked by its coins, and the claim counts those checks.

    Attributes:
        centre, radius: of the network with cast weights and inputs.
        overflow: whether a node may overflow.
        exact, exact_radius: float64 evaluation of the network as stored, and its distance from the exact values, of outputs.
    """

    centre: Mapping[str, Array]
    radius: Mapping[str, Array]
    overflow: Mapping[str, bool]
    exact: Mapping[str, Array]
    exact_radius: Mapping[str, Array]

    @staticmethod
    def of(runs: Runs) -> Nodes:
        """Taken from both traces."""
        machine, exact = runs.machine.tensors, runs.exact.tensors
        outputs = set(runs.exact.graph.outputs)
        return Nodes(
            {name: t.centre for name, t in machine.items()},
            {name: np.broadcast_to(t.radius, t.centre.shape) for name, t in machine.items()},
            dict(runs.machine.overflow), {name: exact[name].centre for name in outputs},
            {name: np.broadcast_to(exact[name].radius, exact[name].centre.shape) for name in outputs},
        )  # fmt: skip
