"""Arithmetic that belongs to the layer and not to the run.

A uniform arithmetic is the plan without overrides, so there is one way through the analysis.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from boundnet.arithmetic import Arithmetic
from boundnet.errors import PlanError
from boundnet.graph import LayerGraph
from boundnet.ops.structural import Input

By = Literal["layer", "class"]


@dataclass(frozen=True)
class Override:
    """Layers that compute otherwise than the rest.

    Attributes:
        match: a layer's name (nested models with "/") or a pattern of ``*``, ``?`` and ``[...]``; case counts.
        by: whether ``match`` is held against layers' names or their classes.
        arithmetic: what these layers run in.
    """

    match: str
    arithmetic: Arithmetic
    by: By = "layer"

    def fits(self, layer: str, kind: str) -> bool:
        """Whether the override is for the layer ``layer`` of class ``kind``."""
        return fnmatchcase(layer if self.by == "layer" else kind, self.match)

    def __str__(self) -> str:
        return f"{self.by} {self.match!r}"


@dataclass(frozen=True)
class Plan:
    """An execution model for each layer.

    Attributes:
        default: for all layers that no override fits.
        overrides: the last one that fits a layer decides.
        source: where the plan comes from, for messages and results: a path, "as saved", or "" for one made by a program.
    """

    default: Arithmetic
    overrides: tuple[Override, ...] = ()
    source: str = ""

    @property
    def uniform(self) -> bool:
        """Whether one arithmetic holds for every layer, whatever the network."""
        return all(override.arithmetic == self.default for override in self.overrides)

    def of(self, layer: str, kind: str) -> Arithmetic:
        """The arithmetic of the layer ``layer`` of class ``kind``."""
        for override in reversed(self.overrides):
            if override.fits(layer, kind):
                return override.arithmetic
        return self.default

    def resolve(self, graph: LayerGraph) -> dict[str, Arithmetic]:
        """The arithmetic of every node that some output depends on; a node has that of its layer.

        Raises:
            PlanError: an override fits no layer of the network: a slip of the pen must not pass for a plan that is kept.
        """
        layers = {graph.layer_of(name): graph.kind_of(name) for name in graph.topological()}
        for override in self.overrides:
            if not any(override.fits(layer, kind) for layer, kind in layers.items()):
                raise PlanError(self._unmatched(override, layers))
        return {name: self.of(graph.layer_of(name), graph.kind_of(name)) for name in graph.topological()}

    def _unmatched(self, override: Override, layers: Mapping[str, str]) -> str:
        names = list(layers) if override.by == "layer" else sorted(set(layers.values()))
        near = difflib.get_close_matches(override.match, names, 3, 0.5)
        where = f"{self.source}: " if self.source else ""
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {_listed(names)}"
        return f"{where}the plan's {override} fits no {override.by} of the network; {hint}"

    def describe(self) -> dict[str, object]:
        """The plan as plain values, as results store it."""
        entries = [
            {"match": override.match, "by": override.by, "arithmetic": override.arithmetic.describe()}
            for override in self.overrides
        ]
        return {"source": self.source, "default": self.default.describe(), "overrides": entries}

    @property
    def digest(self) -> str:
        """SHA-256 of what the plan says, wherever it comes from."""
        said = {key: value for key, value in self.describe().items() if key != "source"}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def layer_arithmetics(plan: Plan, graph: LayerGraph) -> dict[str, Arithmetic]:
    """The arithmetic of every layer but inputs, in the order of the network."""
    found = plan.resolve(graph)
    return {graph.layer_of(name): rules for name, rules in found.items() if not isinstance(graph.op(name), Input)}


def _listed(names: list[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names)} in all)"
