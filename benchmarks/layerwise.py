"""Every layer of Keras inside its own bound: float32 runs, layer by layer; exit code 1 where one leaves it.

    uv run python -m benchmarks.layerwise --nets NETS [NAME ...] [--images N] [--json FILE]
                                          [--markdown docs/evidence/benchmarks.md]

The bound of a whole network is wide or infinite where many layers amplify each other's worst cases, and then says little
about the rules behind it.  Here each layer is bounded alone (binary32, any order, intervals), for the very float32 values
that Keras hands to it, and compared with the float32 values that Keras makes of them: no tolerance, NaN is outside.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import boundnet
from benchmarks.cases import find_cases
from benchmarks.document import replace_section
from benchmarks.networks import FAMILIES
from benchmarks.store import read_rows, write_text
from boundnet.domains import IntervalDomain
from boundnet.domains.forward import forward
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array, up
from boundnet.ops import Input
from boundnet.roundoff.rounder import Rounder

RULES = boundnet.build("binary32")


@dataclass(frozen=True)
class Part:
    """One layer of the Keras model as a graph of its own.

    ``name``: of the layer; ``sources``: layers whose results it reads, in the order of ``graph.inputs``.
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    graph: LayerGraph


@dataclass
class Seen:
    """What the images so far have shown of one layer.  ``nearest``: largest |Keras - exact| / bound of any value."""

    kind: str
    values: int = 0
    outside: int = 0
    nearest: float = 0.0

    def add(self, apart: Array, bound: Array) -> None:
        self.values += apart.size
        self.outside += int(np.count_nonzero(~(apart <= bound)))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(apart == 0.0, 0.0, apart / bound)
        share = np.where(np.isnan(share), np.inf, share)
        self.nearest = max(self.nearest, float(share.max(initial=0.0)))


@dataclass(frozen=True)
class Figures:
    """All layers of one network: ``median_nearest`` over layers that round, ``nearest`` with the layer it was met at."""

    network: str
    images: int
    layers: int
    values: int
    outside: int
    nearest: float
    nearest_layer: str
    median_nearest: float
    cpu_seconds: float
    wrong: list[str] = field(default_factory=list)


def parts_of(graph: LayerGraph) -> Iterator[Part]:
    """Each layer of ``graph``, inner models as one, whose last node is its result.

    Raises:
        SystemExit: a layer reads something that is not another layer's result.
    """
    nodes: dict[str, list[str]] = {}
    for name in graph.topological():
        nodes.setdefault(_layer(graph, name), []).append(name)
    results = {members[-1]: layer for layer, members in nodes.items()}
    for layer, members in nodes.items():
        if isinstance(graph.op(members[0]), Input):
            continue
        own = LayerGraph(layer)
        outer = list(dict.fromkeys(s for m in members for s in graph.inputs_of(m) if s not in members))
        for source in outer:
            if source not in results:
                raise SystemExit(f"layer {layer!r} reads {source!r}, which is inside another layer")
            own.add(source, Input(graph.shape(source)))
        for member in members:
            own.add(member, graph.op(member), graph.inputs_of(member))
        own.set_outputs([members[-1]])
        yield Part(layer, graph.kind_of(members[-1]), tuple(results[s] for s in outer), own)


def _layer(graph: LayerGraph, node: str) -> str:
    return graph.layer_of(node).split("/")[0]


def layer_bound(part: Part, inputs: list[Array]) -> tuple[Array, Array]:
    """Float64 result of the layer for one input, and a bound of |computed - it| in ``RULES``."""
    machine = forward(part.graph, inputs, Rounder(RULES), IntervalDomain())
    end = machine.tensors[part.graph.outputs[0]]
    # The float64 value is the machine's own centre: weights of a float32 file are not changed by storing them.
    return end.centre, up(end.radius, 1)


def compare(model: Any, graph: LayerGraph, images: np.ndarray, name: str) -> Figures:
    """Run ``images`` one by one through Keras and every layer of ``graph``."""
    import keras

    started = time.process_time()
    parts = list(parts_of(graph))
    read = dict.fromkeys(layer for part in parts for layer in (*part.sources, part.name))
    entries = {_layer(graph, node): index for index, node in enumerate(graph.inputs)}
    taken = [layer for layer in read if layer not in entries]
    # Operators on Keras tensors are operations without being layers.
    by_name = {operation.name: operation for operation in getattr(model, "operations", model.layers)}
    probe = keras.Model(model.inputs, [by_name[layer].output for layer in taken])
    seen = {part.name: Seen(part.kind) for part in parts}
    for image in images:
        x = image[None].astype(np.float32)
        found = probe(x, training=False)
        values: Mapping[str, np.ndarray] = dict(zip(taken, map(np.asarray, found), strict=True))
        values = {**values, **dict.fromkeys(entries, x)}
        for part in parts:
            sources = [values[s].astype(np.float64).reshape(1, *part.graph.shape(node))
                       for s, node in zip(part.sources, part.graph.inputs, strict=True)]  # fmt: skip
            centre, bound = layer_bound(part, sources)
            seen[part.name].add(np.abs(values[part.name].astype(np.float64).reshape(centre.shape) - centre), bound)
    rounding = [item.nearest for item in seen.values() if item.nearest > 0.0]
    worst = max(seen, key=lambda layer: seen[layer].nearest)
    return Figures(
        name, len(images), len(parts), sum(item.values for item in seen.values()),
        sum(item.outside for item in seen.values()), seen[worst].nearest, f"{worst} ({seen[worst].kind})",
        float(np.median(rounding)) if rounding else 0.0, time.process_time() - started,
        [f"{layer} ({item.kind}): {item.outside} of {item.values}" for layer, item in seen.items() if item.outside],
    )  # fmt: skip


TITLE = "Layers of Keras inside their own bounds"
HEADER = """\
Written by `uv run python -m benchmarks.layerwise --nets NETS --markdown docs/evidence/benchmarks.md`.
Each layer is bounded alone, in binary32 and any order, for the float32 values that Keras handed to it, and compared \
with what Keras made of them: a test of every rule that stays sharp where the bound of a whole network says nothing.
*nearest* is the largest error of any value of any layer as a share of its bound, *median* the median over the layers \
of their largest shares.

| network | images | layers | values compared | outside | nearest | at | median | processor time |
| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |
"""


def markdown(rows: list[Mapping[str, Any]]) -> str:
    """The section of docs/evidence/benchmarks.md."""
    return HEADER + "".join(
        f"| {r['network']} | {r['images']} | {r['layers']} | {r['values']:,} | {r['outside']} | {r['nearest']:.2f}"
        f" | {r['nearest_layer']} | {r['median_nearest']:.3f} | {r['cpu_seconds']:.0f} s |\n"
        for r in rows
    )


def main() -> None:
    """Compare, print, write; a network at a time in a process of its own."""
    parser = argparse.ArgumentParser(description="Compare every layer of Keras with its own bound.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks (default: all that are found)")
    parser.add_argument("--nets", type=Path, default=Path("nets"), help="folder written by benchmarks.networks")
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--json", type=Path, help="read earlier figures from here and write all")
    parser.add_argument("--render", action="store_true", help="measure nothing: write what --json holds")
    parser.add_argument("--markdown", type=Path, help="replace the section in this document")
    parser.add_argument("--one", action="store_true", help="print the figures of the one NAME as JSON and stop")
    chosen = parser.parse_args()
    cases = find_cases(chosen.nets)
    names = chosen.names or [name for name in cases if name in FAMILIES]
    unknown = [name for name in names if name not in cases]
    if unknown:
        parser.error(f"{unknown[0]!r} isn't in {chosen.nets}: build it with python -m benchmarks.networks {unknown[0]}")
    if chosen.one:
        import keras

        case = cases[names[0]]
        model = keras.models.load_model(case.model, compile=False)
        print(json.dumps(asdict(compare(model, boundnet.load(case.model), case.images(chosen.images), case.name))))
        return
    known = {row["network"]: row for row in read_rows(chosen.json, "layers")}
    wrong: list[str] = []
    for name in [] if chosen.render else names:
        command = [sys.executable, "-m", "benchmarks.layerwise", name, "--one", "--nets", str(chosen.nets)]
        done = subprocess.run([*command, "--images", str(chosen.images)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        known[name] = json.loads(done.stdout.splitlines()[-1])
        print(json.dumps(known[name]), flush=True)
        wrong += known[name]["wrong"]
        if chosen.json is not None:
            write_text(chosen.json, json.dumps({"layers": list(known.values())}, indent=1) + "\n")
    order = [*cases, *known]
    rows = sorted(known.values(), key=lambda row: order.index(row["network"]))
    if chosen.markdown is not None:
        document = chosen.markdown.read_text(encoding="utf-8") if chosen.markdown.exists() else "# Benchmarks\n"
        write_text(chosen.markdown, replace_section(document, TITLE, markdown(rows)))
    print(markdown(rows))
    if wrong:
        raise SystemExit("layers of Keras outside their bounds: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
