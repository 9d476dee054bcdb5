"""Layers of your own: what they compute is told to BoundNet in a few lines, tested, and analysed like any other.

custom_layer.keras holds two custom layers (make_custom_layer.py): Gate, which operations that exist can express, and Cube,
for which we write an operation with a rule of its own.  Run it: python custom_layer.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import boundnet
import boundnet_keras
from boundnet import ops
from boundnet.functions import make
from boundnet.maps import Diagonal
from boundnet.rounding import Array, up
from boundnet.testing import check_bound, check_graph

HERE = Path(__file__).parent


# Gate: y = x * sigmoid(w * x + b).  Lowered to operations that exist; weights come by name, shapes are checked.
@boundnet_keras.register("examples>Gate")
def lower_gate(layer: boundnet_keras.Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    size = layer.shape(x)[-1]
    weights = layer.weights({"slope": (size,), "offset": (size,)})
    scaled = layer.add(ops.ScaleShift(weights["slope"], weights["offset"]), x, part="scaled")
    gate = layer.add(ops.Activation(make("sigmoid")), scaled, part="sigmoid")
    return layer.add(ops.Multiply(), x, gate)


# Cube: y = x * x * x, an operation with a rule of its own.
@dataclass(frozen=True, eq=False)
class CubeOp(ops.Op):
    """y = (x * x) * x, each product rounded, element by element."""

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        return shapes[0]

    def centre(self, *xs: Array) -> Array:
        return (xs[0] * xs[0]) * xs[0]

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return machine.mul(machine.mul(xs[0], xs[0]), xs[0])

    def local(self, rounder: Any, *xs: ops.Tensor) -> ops.Local:
        """(c + D)**3 - c**3 = 3 c**2 D + 3 c D**2 + D**3; the last two are the strip, with what rounds the slope."""
        (x,) = xs
        shape = x.centre.shape[1:]
        error, overflow = rounder.program((self.evaluate,), xs)
        slope = 3.0 * x.centre * x.centre
        # 2**-1000 covers products that underflow, where relative errors of 2**-53 do not.
        missed = (3.0 * np.abs(x.centre) + x.radius) * x.radius * x.radius
        strip = up(missed + (slope * 2.0**-51 + 2.0**-1000) * x.radius + 2.0**-1000 * (x.radius > 0.0), 8)
        strip = np.where(np.isnan(strip), np.inf, strip)
        return ops.Local((Diagonal(slope, shape, shape),), np.where(x.zero, 0.0, error), x.zero, overflow & ~x.zero,
                         strip=np.where(x.zero, 0.0, strip))  # fmt: skip

    def difference(self, xs: Sequence[ops.Tensor], local: ops.Local, radii: Sequence[Array]) -> Array:
        """|a**3 - b**3| <= 3 R**2 |a - b| for |a|, |b| <= R; for boxes of inputs."""
        reach = np.abs(xs[0].centre) + xs[0].radius
        total = up(3.0 * reach * reach * radii[0] + 2.0**-1000 * (radii[0] > 0.0), 6)
        return np.where(np.isnan(total), np.inf, total)


@boundnet_keras.register("examples>Cube", weighted=False)
def lower_cube(layer: boundnet_keras.Lowering, inputs: Sequence[str]) -> str:
    return layer.add(CubeOp(), inputs[0])


def test_rule() -> None:
    """The oracle tries to refute the rule: emulated executions, exact values, no tolerance."""
    rng = np.random.default_rng(0)
    for name in ("binary32", "bfloat16", "fp8_e4m3fn"):
        for scale in (1e-30, 1e-3, 1.0, 30.0):
            x = rng.normal(size=(4, 6)) * scale
            x[0, 0] = 0.0
            check_bound(CubeOp(), [x], boundnet.preset(name))
            check_bound(CubeOp(), [x], boundnet.preset(name), radius=[np.abs(x) * 0.1], seed=1)


def main() -> None:
    test_rule()
    print("the oracle found nothing against CubeOp")
    with np.load(HERE / "custom_layer_test.npz") as data:
        inputs, labels = data["inputs"], data["labels"]
    graph = boundnet.load(HERE / "custom_layer.keras")
    check_graph(graph, [inputs[:1].astype(np.float64)], boundnet.preset("binary32"))
    print("nor against the whole network")
    for name in ("binary32", "bfloat16"):
        analysis = boundnet.analyze(graph, inputs, name)
        right = sum(s.decision.class_index == label for s, label in zip(analysis.samples, labels, strict=True))
        found = analysis.summary
        print(f"{name}: {found.proved} of {found.total} proved, {right} right, logits within {found.max_logit_bound:.1e}")


if __name__ == "__main__":
    main()
