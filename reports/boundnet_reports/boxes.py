"""Boxes of inputs in words: where they lie, in how many pieces they were bounded, and where the largest bound is."""

from __future__ import annotations

from collections.abc import Mapping

from boundnet.numerics.outward import Array
from boundnet.results import Analysis, InputBox, OutputBound
from boundnet.results.text import bound_text, count_text, floor_text, printable, seconds_text

_STOPPED = {
    "whole": "not subdivided: --splits or --time-limit may tighten the bounds",
    "splits": "all splits used",
    "time": "until the time was over",
    "memory": "until the memory for pieces was used",
    "converged": "until more could gain 1 % at most",
    "points": "until nothing was left to halve",
    "interrupted": "until interrupted: the bounds hold, more pieces may tighten them",
}
_FEW = 4


def box_facts(analysis: Analysis) -> Mapping[str, str]:
    """What to know of the boxes of a result; nothing where its samples are single inputs."""
    boxes = [sample.box for sample in analysis.samples if sample.box is not None]
    if not boxes:
        return {}
    found = {}
    if len(boxes) == 1 and boxes[0].low is not None and boxes[0].high is not None:
        found["box"] = _ends(boxes[0].low, boxes[0].high)
        found["values in it"] = "; ".join(map(_values, analysis.samples[0].outputs))
    found["pieces"] = "; ".join(sorted({_pieces(box) for box in boxes})) if len(boxes) <= _FEW else _all_pieces(boxes)
    worst = max(range(len(boxes)), key=lambda n: _largest(analysis, n))
    at = boxes[worst]
    if at.pieces > 1 and at.worst_low is not None and at.worst_high is not None:
        found["largest bound in"] = _ends(at.worst_low, at.worst_high) + (f" (box {worst})" if len(boxes) > 1 else "")
    shares = [box.proved_share for box in boxes if box.proved_share is not None]
    if shares and min(shares) < 1.0:
        found["class can't change in"] = f"{floor_text(100.0 * min(shares))} % of " + (
            "the box's volume" if len(boxes) == 1 else "the volume of the worst box"
        )
    return found


def _values(output: OutputBound) -> str:
    """Range of an output, exact and computed values; of many elements the range of all."""
    if output.low is None or output.high is None:
        return f"{printable(output.name)}: not known"
    low, high = output.low.ravel().tolist(), output.high.ravel().tolist()
    if len(low) > _FEW:
        low, high = [min(low)], [max(high)]
    sides = ", ".join(f"{floor_text(a)} .. {bound_text(b)}" for a, b in zip(low, high, strict=True))
    return f"{printable(output.name)} {sides}"


def _pieces(box: InputBox) -> str:
    text = f"{box.pieces}, {_STOPPED.get(box.stopped, box.stopped)}"
    if box.pieces == 1:
        return text
    return f"{text} ({seconds_text(box.seconds)}); in one piece the bound is {bound_text(box.whole_bound)}"


def _all_pieces(boxes: list[InputBox]) -> str:
    reasons = sorted({_STOPPED.get(box.stopped, box.stopped) for box in boxes})
    return f"{count_text(sum(box.pieces for box in boxes), 'piece')} of {len(boxes)} boxes: {'; '.join(reasons)}"


def _largest(analysis: Analysis, n: int) -> float:
    return max(float(output.absolute_bound.max(initial=0.0)) for output in analysis.samples[n].outputs)


def _ends(low: Array, high: Array) -> str:
    sides = [f"[{a:.9g}, {b:.9g}]" for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    if len(sides) <= _FEW:
        return " x ".join(sides)
    if len(set(sides)) == 1:
        return f"{sides[0]} in each of {len(sides)} input elements"
    return " x ".join(sides[:_FEW]) + f" x ... ({len(sides)} input elements)"


__all__ = ["box_facts"]
