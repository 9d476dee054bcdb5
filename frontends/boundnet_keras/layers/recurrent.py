"""Recurrent layers, unrolled in time: every step's nodes share the ops and maps of one cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boundnet import ops
from boundnet_keras import cells
from boundnet_keras.activations import refuse_activation
from boundnet_keras.layers.conv import spatial_rank
from boundnet_keras.lowering import Lowering, Refused, Rule, Shape
from boundnet_keras.model import Config, custom_package
from boundnet_keras.weights import Weight

MAX_STEPS = 4096


def split_steps(layer: Lowering, x: str, part: str) -> list[str]:
    """The entries along the first axis: those it was joined from, or cut in halves again and again, which copies little."""
    if x in layer.sequences:
        return layer.sequences[x]

    def cut(node: str, start: int, stop: int) -> list[str]:
        shape = layer.shape(node)
        if stop - start == 1:
            return [layer.reshape(node, shape[1:], f"{part}/step{start}")]
        middle, found = (start + stop) // 2, []
        for low, high in ((start, middle), (middle, stop)):
            ends = (low - start, *(0,) * (len(shape) - 1)), (high - start, *shape[1:])
            half = layer.add(ops.Slice(*ends, (1,) * len(shape)), node, part=f"{part}/{low}-{high}")
            found += cut(half, low, high)
        return found

    length = layer.shape(x)[0]
    if length > MAX_STEPS:
        raise Refused(f"runs over {length} steps, more than the {MAX_STEPS} that can be unrolled")
    return cut(x, 0, length)


def join_steps(layer: Lowering, steps: Sequence[str], part: str = "") -> str:
    """The inverse of :func:`split_steps`."""
    rows = [layer.reshape(x, (1, *layer.shape(x)), f"{part or 'sequence'}/step{t}") for t, x in enumerate(steps)]
    joined = rows[0] if len(rows) == 1 else layer.add(ops.Concat(0), *rows, part=part)
    layer.sequences[joined] = list(steps)
    return joined


@dataclass
class Loop:
    """Cells run over a sequence.  ``prefix`` begins the names of its nodes."""

    layer: Lowering
    config: Config
    cells: list[Any]
    prefix: str = ""

    def run(self, x: str, initial: Sequence[str], backwards: bool, mask: str | None) -> tuple[list[str], list[str]]:
        """Outputs in the order of processing, and the last states."""
        layer, prefix = self.layer, self.prefix
        first, *others = self.cells
        if x in layer.sequences or not first.whole:
            steps = [first.project(step, f"{prefix}{t}/") for t, step in enumerate(split_steps(layer, x, f"{prefix}time"))]
        else:
            steps = split_steps(layer, first.project(x, prefix), f"{prefix}time")
        kept = (
            split_steps(layer, layer.reshape(mask, (*layer.shape(mask), 1), f"{prefix}mask"), f"{prefix}mask")
            if mask
            else []
        )
        shapes: list[Shape] = [shape for cell in self.cells for shape in cell.states]
        if initial and len(initial) != len(shapes):
            raise Refused(f"is called with {len(initial)} initial states; its cells have {len(shapes)}")
        states = list(initial) or [layer.add(ops.Blank(s), x, part=f"{prefix}zeros{i}") for i, s in enumerate(shapes)]
        previous = layer.add(ops.Blank(self.cells[-1].states[0]), x, part=f"{prefix}zeros") if mask else ""
        outputs = []
        order = range(len(steps) - 1, -1, -1) if backwards else range(len(steps))
        for t in order:
            part, place, value, new = f"{prefix}{t}/", 0, steps[t], list[str]()
            for number, cell in enumerate(self.cells):
                here = part if not others else f"{part}cell{number}/"
                if number:
                    value = cell.project(value, here)
                own = states[place : place + len(cell.states)]
                place += len(own)
                new += cell.step(value, own, here)
                value = new[-len(own)]
            if mask:
                value = self._select(kept[t], value, previous, f"{part}kept_output")
                new = [
                    self._select(kept[t], a, b, f"{part}kept{i}") for i, (a, b) in enumerate(zip(new, states, strict=True))
                ]
                previous = value
            states = new
            outputs.append(value)
        if mask and self.config.get("zero_output_for_mask"):
            zeros = layer.add(ops.Blank(layer.shape(outputs[0])), x, part=f"{prefix}nothing")
            outputs = [self._select(kept[t], y, zeros, f"{prefix}{t}/zeroed") for t, y in zip(order, outputs, strict=True)]
        return outputs, states

    def _select(self, mask: str, one: str, other: str, part: str) -> str:
        shape = self.layer.shape(one)
        mask = self.layer.reshape(mask, (1,) * len(shape), f"{part}/mask")
        return self.layer.add(ops.Select(), mask, one, other, part=part)


@dataclass(frozen=True)
class Run:
    """One pass of a recurrent layer over a sequence: class, configuration and weights, its own or a wrapped layer's."""

    layer: Lowering
    kind: str
    config: Config
    stored: list[Weight]
    prefix: str = ""

    def __call__(self, x: str, initial: Sequence[str], backwards: bool, mask: str | None) -> tuple[list[str], list[str]]:
        """Outputs in the order of processing, and the last states; with channels where the layer has them."""
        images = self.kind.startswith("ConvLSTM")
        rank = spatial_rank(self.kind) + 2 if images else 2
        self.layer.require_rank(x, rank)
        if not images:
            return Loop(self.layer, self.config, self._cells(x), self.prefix).run(x, initial, backwards, mask)
        inside = self.layer.within(self.kind, self.config, [])
        first = inside.channels_first
        if first:
            x = self.layer.transpose(x, (0, *range(2, rank), 1), f"{self.prefix}to_channels_last")
            initial = [inside.to_channels_last(state) for state in initial]
        cell = cells.make_conv(self.layer, self.kind, self.config, self.stored, self.layer.shape(x)[1:])
        outputs, states = Loop(self.layer, self.config, [cell], self.prefix).run(x, initial, backwards, mask)
        if first:
            outputs = [inside.from_channels_last(y) for y in outputs]
            states = [inside.from_channels_last(state) for state in states]
        return outputs, states

    def _cells(self, x: str) -> list[Any]:
        """One cell, or those of an RNN over cells."""
        features, stored = self.layer.shape(x)[-1], self.stored
        if self.kind != "RNN":
            return [cells.make(self.layer, self.kind, self.config, stored, features)]
        found = []
        for name, config in cell_configs(self.config):
            own, stored = stored[: cells.count(name, config)], stored[cells.count(name, config) :]
            found.append(cells.make(self.layer, name, config, own, features))
            features = found[-1].units
        if stored:
            raise Refused(f"stores {len(stored)} more weights than its cells have")
        return found


def cell_configs(config: Config) -> list[tuple[str, Config]]:
    """(class, configuration) of the cells of an RNN layer, those of nested stacks included."""
    entry = config.get("cell")
    found: list[tuple[str, Config]] = []
    for item in entry if isinstance(entry, list) else [entry]:
        if not isinstance(item, Mapping) or not isinstance(item.get("config"), Mapping):
            raise Refused("its cell is not in the file")
        kind, inner = str(item.get("class_name")), dict(item["config"])
        if kind == "StackedRNNCells":
            for cell in inner.get("cells") or []:
                found += cell_configs({"cell": cell})
        else:
            found.append((kind, inner))
    return found


def _initial(layer: Lowering, inputs: Sequence[str]) -> tuple[str, list[str]]:
    """The sequence and the initial states of a call."""
    named = [inputs[i] for i in layer.call.named("initial_state")]
    positional = [inputs[i] for i in layer.call.positional] or list(inputs[:1])
    return positional[0], [*positional[1:], *named]


def _recurrent(layer: Lowering, inputs: Sequence[str]) -> str | list[str]:
    x, initial = _initial(layer, inputs)
    config, mask = layer.config, layer.masks.get(x)
    run = Run(layer, layer.kind, config, layer.store.of(layer.path))
    outputs, states = run(x, initial, bool(config.get("go_backwards")), mask)
    if config.get("return_sequences"):
        y = join_steps(layer, outputs)
        if mask is not None:
            layer.masks[y] = mask
    else:
        y = outputs[-1]
    return [y, *states] if config.get("return_state") else y


def _bidirectional(layer: Lowering, inputs: Sequence[str]) -> str | list[str]:
    x, initial = _initial(layer, inputs)
    kind, config = inner(layer.config, "layer")
    other, reverse = inner(layer.config, "backward_layer") if layer.config.get("backward_layer") else (kind, config)
    if kind not in RECURRENT:
        raise Refused(f"wraps a layer of the class {kind!r}; use LSTM, GRU, SimpleRNN or RNN")
    stored = layer.store.of(layer.path)
    half, mask = len(stored) // 2, layer.masks.get(x)
    both = []
    starts = list(initial[: len(initial) // 2]), list(initial[len(initial) // 2 :])
    for name, (k, c), own, start in (
        ("forward", (kind, config), stored[:half], starts[0]),
        ("backward", (other, reverse), stored[half:], starts[1]),
    ):
        # The wrapper sets zero_output_for_mask on both, and turns the second one round.
        whole = {**c, "zero_output_for_mask": layer.major >= 3 or c.get("zero_output_for_mask")}
        backwards = bool(config.get("go_backwards")) != (name == "backward")
        both.append(Run(layer, k, whole, own, f"{name}/")(x, start, backwards, mask))
    (forward, states), (backward, other_states) = both
    if config.get("return_sequences"):
        y = [join_steps(layer, forward, "forward"), join_steps(layer, list(reversed(backward)), "backward")]
    else:
        y = [forward[-1], backward[-1]]
    merged = _merged(layer, y, str(layer.config.get("merge_mode", "concat") or ""))
    if mask is not None and config.get("return_sequences"):
        layer.masks.update(dict.fromkeys(merged, mask))
    if config.get("return_state"):
        merged = [*merged, *states, *other_states]
    return merged if len(merged) > 1 else merged[0]


def _merged(layer: Lowering, y: Sequence[str], mode: str) -> list[str]:
    if not mode:
        return list(y)
    rank = len(layer.shape(y[0]))
    joint = {"concat": ops.Concat(rank - 1), "sum": ops.Add(), "ave": ops.Average(), "mul": ops.Multiply()}
    if mode not in joint:
        raise Refused(f"merge_mode {mode!r} isn't one of concat, sum, ave, mul and None")
    return [layer.add(joint[mode], *y)]


def inner(config: Config, key: str) -> tuple[str, Config]:
    """(class, configuration) of the layer that a wrapper holds."""
    entry = config.get(key)
    if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping):
        raise Refused("the layer it wraps is not in the file")
    if custom_package(entry):
        raise Refused(f"wraps a custom layer ({custom_package(entry)}>{entry.get('class_name')}); wrap a built-in one")
    return str(entry.get("class_name")), dict(entry["config"])


def _refuse(config: Config, major: int) -> str:
    if config.get("time_major"):
        return "has time as its first axis; use time_major=False"
    for key in ("activation", "recurrent_activation"):
        reason = refuse_activation(config[key], major) if config.get(key) is not None else ""
        if reason:
            return reason
    return ""


def _refuse_rnn(config: Config, major: int) -> str:
    try:
        configs = cell_configs(config)
    except Refused as refused:
        return str(refused)
    wrong = next((kind for kind, _ in configs if cells.bare(kind) not in cells.KINDS), None)
    if wrong is not None:
        return f"its cell is of the class {wrong!r}; use LSTMCell, GRUCell or SimpleRNNCell"
    return next((reason for _, c in configs if (reason := _refuse(c, major))), "")


def _refuse_wrapped(config: Config, major: int) -> str:
    try:
        kind, own = inner(config, "layer")
    except Refused as refused:
        return str(refused)
    return _refuse_rnn(own, major) if kind == "RNN" else _refuse(own, major)


CONVOLUTIONAL = ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
RECURRENT = ("SimpleRNN", "LSTM", "GRU", "CuDNNLSTM", "CuDNNGRU", "RNN", *CONVOLUTIONAL)
RULES = {
    **{kind: Rule(_recurrent, _refuse, weighted=lambda config: True, merges=True) for kind in RECURRENT if kind != "RNN"},
    "RNN": Rule(_recurrent, _refuse_rnn, weighted=lambda config: True, merges=True),
    "Bidirectional": Rule(_bidirectional, _refuse_wrapped, weighted=lambda config: True, merges=True),
}
