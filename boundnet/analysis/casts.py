"""What a cast to the storage format loses beside roundings: values that do not fit, and values that it may flush to zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import Format
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array, Mask
from boundnet.results import CastLoss, Sample


@dataclass(frozen=True)
class Casts:
    """Losses by layer, and which inputs lose values: (N,); all of them where a weight does not fit."""

    losses: tuple[CastLoss, ...]
    samples: Mask

    def marked(self, found: Sequence[Sample]) -> list[Sample]:
        """The samples, with an infinite representation error where a value does not fit.

        The network with cast weights and inputs has no value there; what was evaluated keeps such values as they are.
        """
        return [_unknown(sample) if self.samples[sample.index] else sample for sample in found]


def cast_losses(graph: LayerGraph, rules: Arithmetic, inputs: Sequence[Array]) -> Casts:
    """Inputs (N, *shape) and weights that do not survive their cast to nearest."""
    losses: list[CastLoss | None] = []
    lost = np.zeros(len(inputs[0]), dtype=np.bool_)
    for name, value in zip(graph.inputs, inputs, strict=True):
        if not graph.holds_integers(name):
            losses.append(_loss(graph.layer_of(name), "inputs", [value], rules, rules.storage))
            lost |= _too_large(value, rules.storage).reshape(len(value), -1).any(axis=1)
    for name in graph.topological():
        op = graph.op(name)
        fmt = rules.weights(op.normalises)
        loss = _loss(graph.layer_of(name), "weights", op.parameters(), rules, fmt)
        losses.append(loss)
        lost |= loss is not None and loss.too_large > 0
    return Casts(tuple(loss for loss in losses if loss is not None), lost)


def _too_large(value: Array, fmt: Format) -> Mask:
    """Whether rounding to nearest passes the largest finite number: a value just above it still rounds to it."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = fmt.round(value)
    limited = np.abs(value) > fmt.largest
    return limited if fmt.overflow == "saturate" else limited & ~np.isfinite(rounded)


def _loss(layer: str, what: str, values: Iterable[Array], rules: Arithmetic, fmt: Format) -> CastLoss | None:
    parts = [np.asarray(value, dtype=np.float64) for value in values]
    too_large = sum(int(np.count_nonzero(_too_large(part, fmt))) for part in parts)
    # As in boundnet.analysis.runs.cast_to: such a value is left as it is, and casting it is noise.
    small = sum(int(np.count_nonzero((np.abs(p) < rules.flush()) & (p != 0.0) & (fmt.round(p) != 0.0))) for p in parts)
    if not too_large and not small:
        return None
    largest = max(float(np.max(np.abs(part), initial=0.0)) for part in parts)
    return CastLoss(layer, what, sum(part.size for part in parts), too_large, small, largest)


def cast_warning(loss: CastLoss, rules: Arithmetic) -> str:
    """What becomes of values that do not fit; '' where all do."""
    if not loss.too_large:
        return ""
    name = rules.storage.name
    become = {"inf": "become infinite", "nan": "become NaN"}.get(rules.storage.overflow, "become the largest number")
    return (
        f"layer {loss.layer!r}: {loss.too_large:,} of {loss.values:,} {loss.what} pass the largest number of {name} "
        f"({rules.storage.largest:g}; the largest here is {loss.largest:g}) and {become}: scale them, or use a format of "
        "wider range"
    )


def _unknown(sample: Sample) -> Sample:
    outputs = tuple(
        replace(output, representation_error=np.full(output.representation_error.shape, np.inf)) for output in sample.outputs
    )
    return replace(sample, outputs=outputs)


__all__ = ["Casts", "cast_losses", "cast_warning"]
