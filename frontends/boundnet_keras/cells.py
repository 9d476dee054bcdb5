"""Cells of recurrent layers: one time step each, as nodes that share their ops over all steps.

A cell's product with its input is a node of its own, so that one product serves a whole sequence; gates add it to the
product with the state, the bias wherever a kernel may add it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from boundnet import ops
from boundnet_keras.activations import activation_name, add_activation
from boundnet_keras.advanced import AS_ARGUMENT
from boundnet_keras.lowering import Lowering, Refused, Shape
from boundnet_keras.model import Config
from boundnet_keras.padding import window
from boundnet_keras.values import ints, positive
from boundnet_keras.weights import Array, Weight

KINDS = ("SimpleRNN", "LSTM", "GRU")


def bare(kind: str) -> str:
    """'LSTMCell' and 'CuDNNLSTM' -> 'LSTM'."""
    return kind.removesuffix("Cell").removeprefix("CuDNN")


@dataclass
class Cell(ABC):
    """``layer``: what it belongs to; ``config``: its own; ``image``: the shape of one step where that is an image.

    ``whole``: whether the input product takes a whole sequence at once.
    """

    layer: Lowering
    config: Config
    w: Mapping[str, Array] = field(default_factory=dict)
    image: Shape = ()
    whole: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.units = ints(self.config.get("units"), 1)[0]

    @property
    def states(self) -> list[Shape]:
        """Shapes of the states; the first is also the output."""
        return [(self.units,)]

    @abstractmethod
    def project(self, x: str, part: str) -> str:
        """The product of inputs (..., n) with the input kernel."""

    @abstractmethod
    def step(self, z: str, states: Sequence[str], part: str) -> list[str]:
        """The new states from a projected input and the old states."""

    def activate(self, x: str, key: str, part: str) -> str:
        """The activation ``key`` of the configuration."""
        activation = self.config.get(key, "tanh" if key == "activation" else "sigmoid")
        if isinstance(activation, Mapping) and str(activation.get("class_name")) in AS_ARGUMENT:
            raise Refused(f"has a layer as {key}; use a built-in activation")
        name = activation_name(activation)
        return add_activation(self.layer, x, name, part) if name else x

    def slice(self, x: str, start: int, stop: int, part: str) -> str:
        """Channels ``start`` to ``stop``, counted in units."""
        shape = self.layer.shape(x)
        begin, end = (0,) * (len(shape) - 1), shape[:-1]
        op = ops.Slice((*begin, start * self.units), (*end, stop * self.units), (1,) * len(shape))
        return self.layer.add(op, x, part=part)


class SimpleRNN(Cell):
    """h' = activation(x K + h R + b)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.kernel, self.recurrent = ops.Dense(self.w["kernel"]), ops.Dense(self.w["recurrent_kernel"])
        self.join = joined(self.w.get("bias"))

    def project(self, x: str, part: str) -> str:
        return self.layer.add(self.kernel, x, part=f"{part}input")

    def step(self, z: str, states: Sequence[str], part: str) -> list[str]:
        moved = self.layer.add(self.recurrent, states[0], part=f"{part}recurrent")
        return [self.activate(self.layer.add(self.join, z, moved, part=f"{part}sum"), "activation", f"{part}activation")]


class LSTM(Cell):
    """c' = f c + i g, h' = o activation(c'); the gates' columns in the order i, f, o, g here."""

    def __post_init__(self) -> None:
        super().__post_init__()
        bias = self.w.get("bias")
        self.kernel: ops.Op = ops.Dense(_reordered(self.w["kernel"]))
        self.recurrent: ops.Op = ops.Dense(_reordered(self.w["recurrent_kernel"]))
        self.join = joined(None if bias is None else _reordered(bias))

    @property
    def states(self) -> list[Shape]:
        return [(self.units,), (self.units,)]

    def project(self, x: str, part: str) -> str:
        return self.layer.add(self.kernel, x, part=f"{part}input")

    def step(self, z: str, states: Sequence[str], part: str) -> list[str]:
        moved = self.layer.add(self.recurrent, states[0], part=f"{part}recurrent")
        return self.gates(self.layer.add(self.join, z, moved, part=f"{part}sum"), states[1], part)

    def gates(self, z: str, carry: str, part: str) -> list[str]:
        """The new states from the gates' arguments."""
        layer = self.layer
        gates = self.activate(self.slice(z, 0, 3, f"{part}gates"), "recurrent_activation", f"{part}gates/activation")
        g = self.activate(self.slice(z, 3, 4, f"{part}candidate"), "activation", f"{part}candidate/activation")
        i, f, o = (self.slice(gates, k, k + 1, f"{part}{name}") for k, name in enumerate(("i", "f", "o")))
        kept = layer.add(ops.Multiply(), f, carry, part=f"{part}kept")
        entered = layer.add(ops.Multiply(), i, g, part=f"{part}entered")
        c = layer.add(ops.Add(), kept, entered, part=f"{part}carry")
        h = layer.add(ops.Multiply(), o, self.activate(c, "activation", f"{part}activation"), part=f"{part}output")
        return [h, c]


class ConvLSTM(LSTM):
    """An LSTM whose products are convolutions, of images with channels last; recurrent ones keep the size."""

    whole = False

    def __post_init__(self) -> None:
        self.units = positive(self.config.get("filters"), 1)[0]
        kernel, recurrent = _reordered(self.w["kernel"]), _reordered(self.w["recurrent_kernel"])
        rank = kernel.ndim - 2
        strides, dilation = (positive(self.config.get(key, 1), rank) for key in ("strides", "dilation_rate"))
        mode = str(self.config.get("padding", "valid")).lower()
        sides = zip(self.image[:-1], kernel.shape, strides, dilation, strict=False)
        padding = tuple(window(mode, *side) for side in sides)
        bias = self.w.get("bias")
        self.kernel = ops.Conv(kernel, None if bias is None else _reordered(bias), strides, dilation, 1, padding)
        self.size = self.kernel.output_shape(self.image)[:-1]
        keep = tuple(window("same", n, k, 1) for n, k in zip(self.size, recurrent.shape, strict=False))
        self.recurrent = ops.Conv(recurrent, padding=keep)
        self.join = ops.Add()

    @property
    def states(self) -> list[Shape]:
        return [(*self.size, self.units)] * 2


class GRU(Cell):
    """h' = z h + (1 - z) hh; the reset gate acts on the state's product (reset_after) or on the state."""

    def __post_init__(self) -> None:
        super().__post_init__()
        u = self.units
        bias, recurrent = self.w.get("bias"), self.w["recurrent_kernel"]
        self.after = bool(self.config.get("reset_after", False))
        own = None if bias is None else (bias[0] if self.after else bias)
        self.kernel = ops.Dense(self.w["kernel"], own)
        if self.after:
            self.recurrent = ops.Dense(recurrent, None if bias is None else bias[1])
        else:
            self.recurrent, self.candidate = ops.Dense(recurrent[:, : 2 * u]), ops.Dense(recurrent[:, 2 * u :])
        self.inverse = ops.ScaleShift(-np.ones(()), np.ones(()))

    def project(self, x: str, part: str) -> str:
        return self.layer.add(self.kernel, x, part=f"{part}input")

    def step(self, z: str, states: Sequence[str], part: str) -> list[str]:
        layer, (h,) = self.layer, states
        moved = layer.add(self.recurrent, h, part=f"{part}recurrent")
        inner = self.slice(moved, 0, 2, f"{part}recurrent_gates") if self.after else moved
        total = layer.add(ops.Add(), self.slice(z, 0, 2, f"{part}input_gates"), inner, part=f"{part}sum")
        gates = self.activate(total, "recurrent_activation", f"{part}gates/activation")
        update, reset = self.slice(gates, 0, 1, f"{part}z"), self.slice(gates, 1, 2, f"{part}r")
        if self.after:
            own = layer.add(ops.Multiply(), reset, self.slice(moved, 2, 3, f"{part}recurrent_h"), part=f"{part}reset")
        else:
            own = layer.add(ops.Multiply(), reset, h, part=f"{part}reset")
            own = layer.add(self.candidate, own, part=f"{part}recurrent_h")
        candidate = layer.add(ops.Add(), self.slice(z, 2, 3, f"{part}input_h"), own, part=f"{part}candidate")
        candidate = self.activate(candidate, "activation", f"{part}activation")
        kept = layer.add(ops.Multiply(), update, h, part=f"{part}kept")
        rest = layer.add(self.inverse, update, part=f"{part}rest")
        entered = layer.add(ops.Multiply(), rest, candidate, part=f"{part}entered")
        return [layer.add(ops.Add(), kept, entered, part=f"{part}output")]


def joined(bias: Array | None) -> ops.Op:
    """The op that adds a cell's two products and its bias."""
    return ops.Add() if bias is None else ops.AddBiased(bias)


def _reordered(weight: Array) -> Array:
    """Columns i, f, c, o -> i, f, o, c."""
    i, f, c, o = np.split(weight, 4, axis=-1)
    return np.concatenate([i, f, o, c], axis=-1)


_CELLS: Mapping[str, type[Cell]] = {"SimpleRNN": SimpleRNN, "LSTM": LSTM, "GRU": GRU}
_GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}


def count(kind: str, config: Config) -> int:
    """How many arrays a cell of Keras 2 and 3 stores."""
    return 2 + (config.get("use_bias", True) is not False)


def make_conv(layer: Lowering, kind: str, config: Config, stored: list[Weight], image: Shape) -> Cell:
    """The cell of a ConvLSTM layer for images of shape ``image``, channels last."""
    rank, filters = len(image) - 1, positive(config.get("filters"), 1)[0]
    kernel = positive(config.get("kernel_size"), rank)
    shapes: dict[str, Shape] = {
        "kernel": (*kernel, image[-1], 4 * filters), "recurrent_kernel": (*kernel, filters, 4 * filters),
    }  # fmt: skip
    if config.get("use_bias", True):
        shapes["bias"] = (4 * filters,)
    if layer.major == 1:
        raise Refused("a ConvLSTM of Keras 1 keeps its weights gate by gate; save the model with Keras 2")
    return ConvLSTM(layer, config, layer.within("cell", {}, stored).weights(shapes), image)


def make(layer: Lowering, kind: str, config: Config, stored: list[Weight], inputs: int) -> Cell:
    """The cell of class ``kind`` whose weights are ``stored``, for inputs of ``inputs`` features."""
    name = bare(kind)
    if name not in _CELLS:
        raise Refused(f"its cell is of the class {kind!r}; use LSTMCell, GRUCell or SimpleRNNCell")
    units, gates = ints(config.get("units"), 1)[0], _GATES[name]
    cudnn = kind.startswith("CuDNN")
    config = {**config, **({"reset_after": True, "recurrent_activation": "sigmoid"} if cudnn else {})}
    shapes: dict[str, Shape] = {"kernel": (inputs, gates * units), "recurrent_kernel": (units, gates * units)}
    if config.get("use_bias", True):
        shapes["bias"] = (gates * units,)
        if name == "GRU" and config.get("reset_after", False):
            shapes["bias"] = (2, gates * units)
        if cudnn:
            shapes["bias"] = (2 * gates * units,)
    if layer.major == 1 and len(stored) == 3 * gates and gates > 1:
        return _CELLS[name](layer, config, _keras1(layer, name, stored, inputs, units))
    w = layer.within(kind, config, stored).weights(shapes)
    return _CELLS[name](layer, config, _canonical(name, w, gates) if cudnn else w)


def _keras1(layer: Lowering, name: str, stored: list[Weight], inputs: int, units: int) -> dict[str, Array]:
    """Keras 1 stores W, U and b of every gate: i, c, f, o of an LSTM, z, r, h of a GRU."""
    letters = ("i", "c", "f", "o") if name == "LSTM" else ("z", "r", "h")
    shapes = {f"{what}_{gate}": {"W": (inputs, units), "U": (units, units), "b": (units,)}[what]
              for gate in letters for what in ("W", "U", "b")}  # fmt: skip
    w = layer.within(name, {}, stored).weights(shapes)
    order = ("i", "f", "c", "o") if name == "LSTM" else letters
    return {key: np.concatenate([w[f"{what}_{gate}"] for gate in order], axis=-1)
            for key, what in (("kernel", "W"), ("recurrent_kernel", "U"), ("bias", "b"))}  # fmt: skip


def _canonical(name: str, w: Mapping[str, Array], gates: int) -> dict[str, Array]:
    """Weights of CuDNN layers as the others have them (keras/saving/legacy/hdf5_format.py of Keras 2)."""
    kernel = np.hstack([k.T.reshape(k.shape, order="F") for k in np.hsplit(w["kernel"], gates)])
    recurrent = np.hstack([k.T for k in np.hsplit(w["recurrent_kernel"], gates)])
    halves = w["bias"].reshape(2, -1)
    return {"kernel": kernel, "recurrent_kernel": recurrent, "bias": halves.sum(axis=0) if name == "LSTM" else halves}
