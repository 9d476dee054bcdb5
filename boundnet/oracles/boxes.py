"""The public oracle for boxes of inputs: do both forms hold for executions that really round?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from boundnet.analysis.boxes.bounder import Bounder
from boundnet.analysis.boxes.forms import Forms
from boundnet.analysis.boxes.sides import unflatten
from boundnet.analysis.heads import Head
from boundnet.analysis.runs import cast_weights
from boundnet.arithmetic import Arithmetic
from boundnet.graph import LayerGraph
from boundnet.machines.emulated import ADVERSARIES
from boundnet.numerics.outward import Array, Mask
from boundnet.ops import Activation, PReLU
from boundnet.oracles.networks import run
from boundnet.oracles.runs import BITS, SKIPS, BoundViolation, describe, emulate
from boundnet.reference.apply import broken, exceeds
from boundnet.reference.arb import ArbMachine
from boundnet.reference.evaluate import evaluate
from boundnet.reference.objects import Objects


def check_boxes(
    graph: LayerGraph, low: Array, high: Array, arithmetic: Arithmetic, *, stored: bool = False, trials: int = 12,
    seed: int = 0, points: Sequence[Array] = (),
) -> Forms:  # fmt: skip
    """Try to refute both forms over boxes, with correlations and by intervals.

    At every node the exact and the computed value lie in the range form, and |computed - exact| in the difference form.

    Args:
        low, high: (N, n), all inputs side by side.
        stored: inputs are numbers of the storage format; boxes without one are left out.
        trials: executions of one point of every box each: random ones, corners, middles, points where a piece switches.
        points: more of them, (N, n) each.

    Returns:
        Both forms, with correlations.

    Raises:
        BoundViolation: an execution left a bound; the message says how to reproduce it.
    """
    rng = np.random.default_rng(seed)
    machine = ArbMachine(BITS)
    bounder = Bounder(graph, arithmetic, [Head(name, None, "none") for name in graph.outputs], stored)
    # Casting a weight is no rounding that an execution may leave out: its sign is part of the claim.
    machine_graph = cast_weights(graph, arithmetic) if arithmetic.nearest else graph
    claims = {kind: bounder.forms(low, high, kind == "affine") for kind in ("affine", "interval")}
    with np.errstate(all="ignore"):
        for trial in range(trials + len(points)):
            x = points[trial - trials] if trial >= trials else _point(graph, low, high, rng, trial)
            kept = np.ones(len(x), dtype=np.bool_)
            if stored:
                x, kept = _stored(x, low, high, arithmetic)
            inputs = unflatten(x, graph)
            adversary, skip = ADVERSARIES[trial % len(ADVERSARIES)], float(rng.choice(SKIPS))
            computed = run(machine_graph, inputs, emulate(arithmetic, rng, machine, adversary, skip))
            exact = evaluate(graph, inputs, machine)
            for kind, forms in claims.items():
                note = (
                    f"{kind} forms, inputs stored: {stored}, {describe(arithmetic)}, seed {seed}, trial {trial}, "
                    f"adversary {adversary}, skip {skip}"
                )
                for name in graph.topological():
                    _check(graph, forms, name, computed[name], exact[name], machine, kept, note)
    return claims["affine"]


def _check(
    graph: LayerGraph, forms: Forms, name: str, computed: Array, exact: Objects, machine: ArbMachine, kept: Mask, note: str
) -> None:
    tensor, error = forms.ranges.tensors[name], forms.error(name)
    centre, value = machine.parameter(tensor.centre), machine.parameter(computed)
    blank = np.where(tensor.zero, 0.0, np.inf)
    met = {
        "the range of exact values": exceeds(exact - centre, tensor.radius),
        "the range of computed values": exceeds(value - centre, tensor.radius) | broken(computed, tensor.radius),
        "the bound of computed - exact": exceeds(value - exact, error) | broken(computed, error),
        "its exact zeros": exceeds(value, blank) | exceeds(exact, blank),
    }
    for what, violated in met.items():
        bad = violated & kept.reshape(-1, *(1,) * (violated.ndim - 1))
        if np.any(bad):
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            raise BoundViolation(
                f"node {name!r} ({graph.op(name).describe()}) left {what} at {at}: computed {computed[at]!r}, exact "
                f"{exact[at].str(20)}, middle {tensor.centre[at]!r}, radius {tensor.radius[at]!r}, error bound "
                f"{float(error[at])!r}\n  {note}"
            )


def _point(graph: LayerGraph, low: Array, high: Array, rng: np.random.Generator, trial: int) -> Array:
    """A point of every box."""
    share = rng.random(low.shape)
    kind = trial % 4
    if kind == 1:
        share = rng.integers(0, 2, low.shape).astype(np.float64)
    elif kind == 2:
        share = rng.choice([0.0, 0.5, 1.0], low.shape)
    x = np.clip(low + share * (high - low), low, high)
    return _switching(graph, x, np.clip(low + rng.random(low.shape) * (high - low), low, high), rng) if kind == 3 else x


def _switching(graph: LayerGraph, a: Array, b: Array, rng: np.random.Generator) -> Array:
    """Points between ``a`` and ``b``, as close as can be to where some element of some activation's input turns 0."""
    readers = [n for n in graph.topological() if isinstance(graph.op(n), Activation | PReLU)]
    if not readers:
        return a
    (source,) = graph.inputs_of(str(rng.choice(readers)))
    element = int(rng.integers(int(np.prod(graph.shape(source), dtype=np.int64))))

    def sign(x: Array) -> Mask:
        flat: Mask = graph.evaluate(unflatten(x, graph))[source].reshape(len(x), -1)[:, element] > 0.0
        return flat

    at_a, at_b = sign(a), sign(b)
    for _ in range(60):
        middle = 0.5 * a + 0.5 * b
        like_a = (sign(middle) == at_a)[:, None]
        a, b = np.where(like_a, middle, a), np.where(like_a, b, middle)
    return np.where((at_a != at_b)[:, None], b, a)


def _stored(x: Array, low: Array, high: Array, arithmetic: Arithmetic) -> tuple[Array, Mask]:
    """The nearest number of the storage format in the box, and whether there is one."""
    best, found = x, np.zeros(x.shape, dtype=np.bool_)
    for y in (arithmetic.storage.round(x, "up"), arithmetic.storage.round(x, "down"), arithmetic.storage.round(x)):
        inside = (y >= low) & (y <= high) & np.isfinite(y)
        best, found = np.where(inside, y, best), found | inside
    return best, np.asarray(found.all(axis=1))


__all__ = ["check_boxes"]
