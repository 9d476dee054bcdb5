"""What tables show, as text: the same on the console and on the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from boundnet.results import Analysis, Decision, InputInfo, Layer, OutputBound, Sample
from boundnet.results.text import bound_text, floor_text, printable, shape_text, share_text, value_text
from boundnet_reports.boxes import box_facts

_FEW = 3
"""Outputs with so many values are shown whole."""


@dataclass(frozen=True)
class Table:
    """Headings, rows of the same length, and which columns are numbers."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[str]


def layer_rows(analysis: Analysis) -> Table:
    """One row a layer."""
    shares = any(layer.error_share > 0 for layer in analysis.layers)
    rows = tuple(
        (
            printable(layer.name), printable(layer.kind), shape_text(layer.shape), _range(layer),
            bound_text(layer.absolute_bound), share_text(layer.error_share) if shares else "-",
            "may overflow" if layer.may_overflow else "",
        )
        for layer in analysis.layers
    )  # fmt: skip
    headings = ("layer", "kind", "shape", "range", "error bound", "share", "overflow")
    return Table(headings, rows, frozenset({"shape", "range", "error bound", "share"}))


_WORD = {"deterministic": "proved", "sketch": "proved", "probabilistic": "likely", "empirical": "not seen to change"}


def word(analysis: Analysis) -> str:
    """What the guarantee calls a decision that holds; only a theorem is called proved."""
    return _WORD.get(analysis.guarantee, "claimed")


def sample_rows(analysis: Analysis, limit: int) -> tuple[Table, int]:
    """One row a sample, those that do not hold first, and how many samples were left out."""
    chosen = sorted(analysis.samples, key=lambda s: (s.decision is None or s.decision.holds, s.index))[:limit]
    decided = any(sample.decision for sample in chosen)
    referenced = any(sample.reference for sample in chosen)
    headings = ["sample"]
    if decided:
        headings += ["class", *margin_headings(analysis), word(analysis)]
    headings += ["output", "error bound"]
    if referenced:
        headings += ["float64 centre off by"]
    rows = []
    for sample in sorted(chosen, key=lambda s: s.index):
        row = [str(sample.index)]
        if decided:
            row += _decision(sample, len(margin_headings(analysis)))
        row += [values_text(sample), bound_text(_largest(sample))]
        if referenced:
            row += [bound_text(sample.reference.centre_error) if sample.reference else ""]
        rows.append(tuple(row))
    table = Table(tuple(headings), tuple(rows), frozenset(headings) - {word(analysis), "output"})
    return table, len(analysis.samples) - len(chosen)


def summary_lines(analysis: Analysis) -> list[str]:
    """The figures over all samples, a sentence each."""
    summary, inputs = analysis.summary, analysis.inputs
    in_u = summary.max_absolute_bound_in_u
    size = f" = {bound_text(in_u)} u of {analysis.arithmetic['storage']}" if in_u is not None else ""
    median = bound_text(summary.median_absolute_bound)
    if not analysis.samples:
        return ["outputs: no sample was analysed", f"inputs: {printable(inputs.source)} ({inputs.count})"]
    lines = [f"outputs: |computed - exact| <= {bound_text(summary.max_absolute_bound)}{size}, median {median}"]
    if summary.max_logit_bound is not None and summary.median_logit_bound is not None:
        lines.append(f"logits: <= {bound_text(summary.max_logit_bound)}, median {bound_text(summary.median_logit_bound)}")
    cast = cast_error(analysis)
    if cast != 0.0:
        lines.append(casting_text(analysis, cast))
    if summary.total:
        also = f", {summary.logits_only} on the logits only" if summary.logits_only else ""
        lines.append(f"decisions ({summary.decision_rule}): {summary.holding} of {summary.total} {word(analysis)}{also}")
    lines.append(f"inputs: {inputs.source}" + ("" if inputs.box and inputs.count == 1 else f" ({_count(inputs)})"))
    lines += [f"{key}: {value}" for key, value in box_facts(analysis).items()]
    lines += [f"note: {note}" for note in inputs.notes]
    return [printable(line) for line in lines]


def _count(inputs: InputInfo) -> str:
    return f"{inputs.count} boxes" if inputs.box else str(inputs.count)


def casting_text(analysis: Analysis, cast: float) -> str:
    """What casting weights and inputs changes, as far as it is known."""
    if not math.isfinite(cast):
        lost = sum(loss.too_large for loss in analysis.cast_losses)
        return f"casting: {lost:,} weights or inputs do not fit the format, so that it changes outputs beyond any bound"
    small = sum(loss.small for loss in analysis.cast_losses)
    also = f", {small:,} small values apart, which a machine may flush to zero" if small else ""
    return f"casting weights and inputs changes outputs by about {bound_text(cast)}{also}, which the bounds include"


def cast_error(analysis: Analysis) -> float:
    """Largest change of an output by casting weights and inputs."""
    outputs = [output for sample in analysis.samples for output in sample.outputs]
    return max((float(np.max(np.abs(output.representation_error), initial=0.0)) for output in outputs), default=0.0)


def rules_text(rules: Mapping[str, object]) -> str:
    """The fields of an execution model, those that say something."""
    fields = ["storage", "accumulate", "order", "fma", "rounding", "subnormals", "bias"]
    if rules["accumulate"] != rules["storage"] and "normalisation" in rules:
        fields.append("normalisation")
    if rules.get("forms", "any") != "any":
        fields.append("forms")
    return ", ".join(f"{field} {rules[field]}" for field in fields)


def facts(analysis: Analysis) -> Mapping[str, str]:
    """What was analysed, under which rules."""
    model, rules, chance = analysis.model, analysis.arithmetic, analysis.failure_probability
    found = {
        "model": f"{model.path or model.name} ({model.parameters:,} parameters)",
        "sha256": model.sha256 or "",
        "arithmetic": f"{rules['name']} ({rules_text(rules)})",
        "guarantee": analysis.guarantee + (f", fails with probability at most {bound_text(chance)}" if chance else ""),
        "domain": f"{analysis.domain.used} (asked for: {analysis.domain.requested}): {analysis.domain.reason}",
    }
    return {key: printable(value) for key, value in found.items() if value}


def _range(layer: Layer) -> str:
    return f"{floor_text(layer.low)} .. {bound_text(layer.high)}"


COMPARED = ("margin", "float64 bound", "cast margin", "rounding bound")
"""Each margin beside the bound that it has to exceed for the class to hold on the logits."""


def margin_headings(analysis: Analysis) -> tuple[str, ...]:
    """What the samples' margins are shown as; boxes, and results older than schema 1.2, have but one, at a box's middle."""
    decided = [sample.decision for sample in analysis.samples if sample.decision is not None]
    return COMPARED if any(d.cast_margin is not None for d in decided) else ("margin", "margin's bound")


def compared(found: Decision) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """(exact margin, its bound), (cast margin, its bound); None where a result does not have them."""
    if found.exact_margin_bound is None or found.cast_margin is None or found.cast_margin_bound is None:
        return None
    return (found.margin, found.exact_margin_bound), (found.cast_margin, found.cast_margin_bound)


def _decision(sample: Sample, columns: int) -> list[str]:
    found = sample.decision
    if found is None:
        return [""] * (columns + 2)
    pairs = compared(found) or ((found.margin, found.margin_bound),)
    numbers = [text for margin, bound in pairs for text in (floor_text(margin), bound_text(bound))]
    return [str(found.class_index), *numbers, *[""] * (columns - len(numbers)), decision_text(found)]


def decision_text(found: Decision) -> str:
    """Whether a decision holds in the sense of the guarantee."""
    if found.holds and found.probabilities_separated is False:  # in results older than schema 1.2
        return "yes, but probabilities may tie"
    if found.holds:
        return "yes"
    return "on the logits only" if found.logits_only else "NO"


def _largest(sample: Sample) -> float:
    return max((float(np.max(output.absolute_bound, initial=0.0)) for output in sample.outputs), default=0.0)


def values_text(sample: Sample) -> str:
    """All values of small outputs; of others the one of the predicted class, or the largest."""
    several = len(sample.outputs) > 1
    return "; ".join((f"{printable(o.name)}: " if several else "") + _value(o, sample) for o in sample.outputs)


def _value(output: OutputBound, sample: Sample) -> str:
    value, bound = output.value.ravel(), output.absolute_bound.ravel()
    shown: Sequence[int] = range(value.size)
    prefix = ""
    if value.size > _FEW:
        found = sample.decision
        at = int(np.argmax(np.abs(value)))
        if found is not None and found.runner_up is not None and len(sample.outputs) == 1:
            at = found.class_index
        shown = [at]
        prefix = f"[{', '.join(map(str, np.unravel_index(at, output.value.shape)))}] "
    if output.low is not None and output.high is not None:
        low, high = output.low.ravel(), output.high.ravel()
        return prefix + ", ".join(f"{floor_text(float(low[i]))} .. {bound_text(float(high[i]))}" for i in shown)
    return prefix + ", ".join(value_text(float(value[i]), float(bound[i])) for i in shown)
