"""Programs of one variable as people write them in Keras, each with what it means and where its forms may part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flint import arb

from helpers import real_meanings as m


@dataclass(frozen=True)
class Program:
    """``build(keras)`` gives a function from a symbolic tensor to a symbolic tensor; ``breaks``: where pieces meet."""

    name: str
    build: Callable[[Any], Callable[[Any], Any]]
    meaning: m.Meaning
    breaks: Sequence[float] = field(default=(0.0,))


def activation(name: str, meaning: m.Meaning, *breaks: float) -> Program:
    return Program(name, lambda keras: keras.layers.Activation(name), meaning, (0.0, *breaks))


ACTIVATIONS = (
    activation("celu", m.celu(1.0)),
    activation("elu", m.elu(1.0)),
    activation("exponential", lambda x: x.exp(), 88.7, -87.3, -103.9),
    activation("gelu", m.gelu, -5.5),
    activation("hard_shrink", m.hard_shrink(0.5), 0.5, -0.5),
    activation("hard_sigmoid", m.hard_sigmoid, -3.0, 3.0),
    activation("hard_silu", lambda x: x * m.hard_sigmoid(x), -3.0, 3.0),
    activation("hard_tanh", lambda x: m.clip(x, -1.0, 1.0), -1.0, 1.0),
    activation("leaky_relu", m.leaky(0.2)),
    activation("linear", lambda x: x),
    activation("log_sigmoid", m.log_sigmoid, 9.0, -9.0, 16.7, -16.7),
    activation("mish", m.mish, -9.0, 20.0),
    activation("relu", m.relu),
    activation("relu6", lambda x: m.clip(x, 0.0, 6.0), 6.0),
    activation("selu", m.selu),
    activation("sigmoid", m.sigmoid, 16.7, -16.7, 9.0, -88.0),
    activation("silu", lambda x: x * m.sigmoid(x), 16.7, -16.7, -88.0),
    activation("soft_shrink", m.soft_shrink(0.5), 0.5, -0.5),
    activation("softplus", m.softplus, 9.0, -9.0, 13.94, -13.94, 16.7),
    activation("softsign", lambda x: x / (1 + abs(x)), 1.0, -1.0),
    activation("sparse_plus", m.sparse_plus, 1.0, -1.0),
    activation("sparse_sigmoid", m.sparse_sigmoid, 1.0, -1.0),
    activation("squareplus", m.squareplus(4.0), 2.0, -2.0),
    activation("tanh", lambda x: x.tanh(), 4e-4, 7.9, 9.0, -9.0),
    activation("tanh_shrink", m.tanh_shrink, 0.5),
)
WITH_PARAMETERS = (
    Program("LeakyReLU(0.3)", lambda k: k.layers.LeakyReLU(negative_slope=0.3), m.leaky(0.3)),
    Program("ELU(0.7)", lambda k: k.layers.ELU(alpha=0.7), m.elu(0.7)),
    Program("ReLU(1.7, 0.1, 0.2)", lambda k: k.layers.ReLU(1.7, 0.1, 0.2), m.layer_relu(1.7, 0.1, 0.2), (0.0, 0.2, 1.7)),
    Program("celu(0.7)", lambda k: lambda x: k.ops.celu(x, 0.7), m.celu(0.7)),
    Program("gelu, tanh", lambda k: lambda x: k.ops.gelu(x, approximate=True), m.gelu_tanh, (0.0, -4.0)),
    Program("squareplus(0.3)", lambda k: lambda x: k.ops.squareplus(x, 0.3), m.squareplus(0.3), (0.0, 0.5)),
    Program("soft_shrink(0.3)", lambda k: lambda x: k.ops.soft_shrink(x, 0.3), m.soft_shrink(0.3), (0.0, 0.3, -0.3)),
    Program("hard_shrink(0.3)", lambda k: lambda x: k.ops.hard_shrink(x, 0.3), m.hard_shrink(0.3), (0.0, 0.3, -0.3)),
)
# Compilers divide by multiplying, and merge constants: near the zeros of such programs it shows.
WITH_CONSTANTS = (
    Program("x / 3.7", lambda k: lambda x: x / 3.7, lambda x: x / arb(3.7)),
    Program("x / 7 * x", lambda k: lambda x: x / 7.0 * x, lambda x: x * x / 7),
    Program("1 / (x x + 3) / 3", lambda k: lambda x: 1.0 / (x * x + 3.0) / 3.0, lambda x: 1 / (x * x + 3) / 3),
    Program("(x + 0.1) + 0.2", lambda k: lambda x: (x + 0.1) + 0.2, lambda x: x + arb(0.1) + arb(0.2), (0.0, -0.1, -0.3)),
    Program("(x - 1) + 1", lambda k: lambda x: (x - 1.0) + 1.0, lambda x: x, (0.0, 1.0)),
    Program("x 0.1 * 0.3 / 7", lambda k: lambda x: x * 0.1 * 0.3 / 7.0, lambda x: x * arb(0.1) * arb(0.3) / 7),
    Program("1 - x", lambda k: lambda x: 1.0 - x, lambda x: 1 - x, (0.0, 1.0)),
    Program("(x + 1) 0.1 - 0.1", lambda k: lambda x: (x + 1.0) * 0.1 - 0.1, lambda x: (x + 1) * arb(0.1) - arb(0.1)),
    Program("x**2", lambda k: k.ops.square, lambda x: x * x),
    Program("x / (x x + 0.7) / 0.3", lambda k: lambda x: x / (x * x + 0.7) / 0.3, lambda x: x / (x * x + arb(0.7)) / arb(0.3)),
    Program("Rescaling", lambda k: k.layers.Rescaling(1 / 255.0, 0.1), lambda x: x * arb(1 / 255.0) + arb(0.1), (0.0, -25.5)),
    Program("Rescaling twice", lambda k: lambda x: k.layers.Rescaling(3.0, 0.7)(k.layers.Rescaling(1 / 3.0, -0.7)(x)),
            lambda x: (x * arb(1 / 3.0) - arb(0.7)) * 3 + arb(0.7), (0.0, 1.4, 2.1)),
    Program("Normalization", lambda k: k.layers.Normalization(axis=None, mean=0.3, variance=0.7),
            lambda x: (x - arb(0.3)) / arb(0.7).sqrt(), (0.0, 0.3)),
    Program("Average", lambda k: lambda x: k.layers.Average()([x, x, x * 2.0]), lambda x: (x + x + 2 * x) / 3),
    Program("x hard_sigmoid(x) / 3", lambda k: lambda x: x * k.ops.hard_sigmoid(x) / 3.0, lambda x: x * m.hard_sigmoid(x) / 3,
            (0.0, -3.0, 3.0)),
    Program("selu(x) / 3", lambda k: lambda x: k.ops.selu(x) / 3.0, lambda x: m.selu(x) / 3),
)  # fmt: skip
PROGRAMS = {program.name: program for program in (*ACTIVATIONS, *WITH_PARAMETERS, *WITH_CONSTANTS)}
APART = {
    "glu": "has two variables", "softmax": "works on a whole axis", "log_softmax": "works on a whole axis",
    "sparsemax": "refused by name", "threshold": "refused by name: files don't hold its arguments",
}  # fmt: skip
"""Functions of keras.activations that are no program of one variable here."""
