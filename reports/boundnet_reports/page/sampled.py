"""Samples of perturbed executions: spread, significant digits, changed decisions, and bounds beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from markupsafe import Markup

from boundnet.mca.results import Digits, LayerSpread, OutputSpread, Sampled, kept_words, reference_words
from boundnet.results import Analysis, OutputBound
from boundnet.results.text import bound_text, count_text, floor_text, printable, shape_text, share_text, value_text
from boundnet_reports.page.crosscheck import same_model
from boundnet_reports.page.depth import Legend, Plot
from boundnet_reports.page.headline import Tile
from boundnet_reports.page.histogram import Entry, Words, log_histogram
from boundnet_reports.page.layer_words import seen_text
from boundnet_reports.page.plots import Series, magnitudes
from boundnet_reports.page.tables import Cell, Heading, Row, Table, number

MOST_ROWS = 300
MOST_HISTOGRAMS = 8
MOST_PARTS = 12
MOST_ENTRIES = 20_000


@dataclass(frozen=True)
class Histogram:
    """Distances of one output's samples, and what they are compared with; ``parts``: of its values one by one."""

    title: str
    note: str
    drawing: Markup
    parts: tuple[Histogram, ...] = ()


def unit(result: Sampled) -> str:
    """What digits are counted in."""
    return {2: "bits", 10: "decimal digits"}.get(result.digits.base, f"digits in base {result.digits.base}")


def tiles(result: Sampled) -> list[Tile]:
    """The figures that matter."""
    sampling = result.sampling
    changed = sum(found.changed > 0 for found in result.stability)
    found = [
        Tile(
            "samples", str(sampling.samples), f"of each of {count_text(result.inputs.count, 'input')}, seed {sampling.seed}"
        ),
        Tile("perturbation", printable(sampling.mode), f"virtual precision {sampling.precision} bits"),
    ]
    if result.stability:
        text = f"{changed} of {len(result.stability)}"
        worst = max(one.changed for one in result.stability)
        note = (
            f"in at most {bound_text(100 * worst, 2)} % of the samples"
            if changed
            else "in no sample; says nothing about other runs"
        )
        found.append(Tile("inputs whose class changed", text, note, "bad" if changed else ""))
    digits = [
        part for output in result.outputs for part in (output.digits.get("cnh_relative"),) if part is not None and part.size
    ]
    if digits:
        least = min(float(np.min(part)) for part in digits)
        found.append(Tile(f"significant {unit(result)}, least", floor_text(least), "of any output value: CNH, relative"))
    return found


def facts(result: Sampled) -> dict[str, str]:
    """How it was done."""
    rule, sampling = result.digits, result.sampling
    return {
        "model": printable(f"{result.model.name}, {result.model.parameters:,} parameters"),
        "inputs": printable(f"{result.inputs.count} from {result.inputs.source}"),
        "execution": printable(f"{sampling.title} ({sampling.backend})"),
        "arithmetic": printable(str(result.arithmetic.get("name", ""))),
        "digits": f"{unit(result)} against the {printable(reference_words(rule))}, probability {rule.probability:g}, "
        f"confidence {rule.confidence:g} (significantdigits {printable(rule.version)})",
        "samples": kept_words(result),
    }


def layer_plot(result: Sampled) -> Plot | None:
    """Distances and deviations along the depth."""
    names = [printable(layer.name) for layer in result.layers]
    far = Series("largest distance from float64", "seen-1", [layer.distance for layer in result.layers])
    wide = Series("largest standard deviation", "seen-2", [layer.deviation for layer in result.layers])
    titles = [
        f"{n + 1}. {name}\nlargest distance: {seen_text(layer.distance)}\n"
        f"largest deviation: {seen_text(layer.deviation)}\n"
        + "\n".join(f"{_name(one)}: least {floor_text(one.least)}, median {floor_text(one.median)}" for one in layer.digits)
        for n, (name, layer) in enumerate(zip(names, result.layers, strict=True))
    ]
    drawing = magnitudes(names, titles, [far, wide]) if names else None
    return None if drawing is None else Plot(drawing, tuple(Legend(s.style, s.label) for s in (far, wide)))


def _name(digits: Digits) -> str:
    return printable(f"{digits.method}, {digits.error}")


def layer_table(result: Sampled) -> Table:
    """One row a layer."""
    kinds = list(dict.fromkeys(_name(one) for layer in result.layers for one in layer.digits))
    headings = (
        Heading("layer"), Heading("kind"), Heading("shape", True), Heading("range seen", True),
        Heading("distance", True, "largest distance of a sample from the float64 evaluation"),
        Heading("deviation", True, "largest standard deviation of an element"), Heading("not finite", True),
        Heading("biased", True, "elements whose mean is farther from float64 than spread explains; 0.1 % is chance"),
        *(Heading(f"digits: {kind}", True, f"least and median significant {unit(result)}") for kind in kinds),
    )  # fmt: skip
    return Table("layers", headings, tuple(_layer(layer, kinds) for layer in result.layers))


def _layer(layer: LayerSpread, kinds: Sequence[str]) -> Row:
    by_kind = {_name(one): one for one in layer.digits}
    cells = [
        Cell(printable(layer.name)), Cell(printable(layer.kind)), number(shape_text(layer.shape), math.prod(layer.shape)),
        number(f"{seen_text(layer.low)} .. {seen_text(layer.high)}", layer.high),
        number(seen_text(layer.distance), layer.distance), number(seen_text(layer.deviation), layer.deviation),
        Cell(f"{layer.non_finite:,}", repr(layer.non_finite), tone="bad" if layer.non_finite else ""),
        Cell("") if layer.biased is None else number(share_text(layer.biased), layer.biased),
    ]  # fmt: skip
    for kind in kinds:
        found = by_kind.get(kind)
        cells.append(
            Cell("") if found is None else number(f"{floor_text(found.least)} / {floor_text(found.median)}", found.least)
        )
    return Row(tuple(cells))


def output_table(result: Sampled) -> Table:
    """One row for each input and output, those with the fewest digits first."""
    changed = {found.index: found for found in result.stability}
    headings = (
        Heading("input", True), Heading("output"), Heading("value", True, "float64, of the element with the fewest digits"),
        Heading("samples", True, "smallest and largest, of that element"),
        Heading("deviation", True, "largest of the output"),
        Heading("least digits", True, f"significant {unit(result)}, CNH, relative"), Heading("class"),
        Heading("changed", True),
    )  # fmt: skip
    entries = sorted(
        ((_least(output), n) for n, output in enumerate(result.outputs)), key=lambda pair: (pair[0][1], pair[1])
    )
    rows = []
    for (at, digits), n in entries[:MOST_ROWS]:
        output = result.outputs[n]
        found = changed.get(output.index)
        where = f" [{', '.join(map(str, np.unravel_index(at, output.value.shape)))}]" if output.value.ndim else ""
        low, high, value = (float(part.ravel()[at]) for part in (output.low, output.high, output.value))
        deviation = float(np.max(output.deviation, initial=0.0))
        rows.append(Row((
            number(str(output.index), output.index), Cell(printable(output.name) + where),
            number(value_text(value, max(abs(high - low), abs(value) * 1e-9)), value),
            number(f"{floor_text(low, 6)} .. {bound_text(high, 6)}", high), number(seen_text(deviation), deviation),
            number("unknown" if math.isnan(digits) else floor_text(digits), digits),
            Cell("" if found is None else str(found.class_index)),
            Cell("") if found is None
            else Cell(f"{100 * found.changed:.3g} %", repr(found.changed), tone="bad" if found.changed else ""),
        )))  # fmt: skip
    return Table("outputs", headings, tuple(rows), len(result.outputs) - len(rows))


def _least(output: OutputSpread) -> tuple[int, float]:
    """The element with the fewest digits, and how many."""
    digits = output.digits.get("cnh_relative")
    if digits is None or digits.size == 0:
        return int(np.argmax(output.deviation)), math.nan
    flat = digits.ravel()
    return int(np.argmin(flat)), float(flat.min())


def histograms(result: Sampled, analyses: Sequence[Analysis]) -> list[Histogram]:
    """Distances of samples from the float64 value, as part of the bound where one for their arithmetic is known."""
    by_name: dict[str, list[OutputSpread]] = {}
    for output in result.outputs:
        if output.samples is not None:
            by_name.setdefault(output.name, []).append(output)
    found = []
    for name, outputs in list(by_name.items())[:MOST_HISTOGRAMS]:
        bounds = [_bound(result, output, analyses) for output in outputs]
        known = all(bound is not None for bound in bounds)
        pairs = [(output, bound if known else None) for output, bound in zip(outputs, bounds, strict=True)]
        shape = outputs[0].value.shape
        whole = _histogram(printable(name), [entry for pair in pairs for entry in _entries(*pair)], known)
        if whole is None:
            continue
        parts: list[Histogram | None] = []
        if 1 < outputs[0].value.size <= MOST_PARTS and all(output.value.shape == shape for output in outputs):
            for at in np.ndindex(shape):
                title = f"{printable(name)} [{', '.join(map(str, at))}]"
                parts.append(_histogram(title, [entry for pair in pairs for entry in _entries(*pair, at)], known))
        found.append(replace(whole, parts=tuple(part for part in parts if part is not None)))
    return found


def _histogram(title: str, entries: list[Entry], known: bool) -> Histogram | None:
    """One drawing; the values outside a bound are in it even where it shows only some of the others."""
    step = -(-len(entries) // MOST_ENTRIES) or 1
    shown = [entry for n, entry in enumerate(entries) if n % step == 0 or not entry.good]
    outside = sum(not entry.good for entry in entries)
    if known:
        words = Words("value", "inside the bound", "OUTSIDE THE BOUND", "bound", "not finite")
        note = f"Distance / bound of {len(entries):,} values: {outside:,} outside."
    else:
        words = Words("value", "", "not finite", None, "not finite")
        note = f"Distance from the float64 value of {len(entries):,} values. "
        note += "No bound for this arithmetic and these inputs was given."
    if len(shown) < len(entries):
        note += f" The drawing counts {len(shown):,} of them, all outside included."
    drawing = log_histogram(shown, words)
    return None if drawing is None else Histogram(title, note, drawing)


def _bound(result: Sampled, output: OutputSpread, analyses: Sequence[Analysis]) -> OutputBound | None:
    """The bound of an output for the same network, arithmetic and input, if some analysis has it."""
    for analysis in analyses:
        if not same_model(analysis, result) or analysis.arithmetic != result.arithmetic:
            continue
        if analysis.inputs.source != result.inputs.source:
            continue
        for sample in analysis.samples:
            for bound in sample.outputs:
                if sample.index == output.index and bound.name == output.name and bound.value.shape == output.value.shape:
                    return bound
    return None


def _entries(output: OutputSpread, bound: OutputBound | None, at: tuple[int, ...] | None = None) -> list[Entry]:
    """Of all values of an output, or of the one at an index."""
    if at is not None:
        element: Any = (slice(None), *at)
        one = replace(output, value=np.asarray(output.value[at]), samples=np.asarray(output.samples)[element])
        if bound is None:
            return _entries(one, None)
        return _entries(
            one, replace(bound, value=np.asarray(bound.value[at]), absolute_bound=np.asarray(bound.absolute_bound[at]))
        )
    samples = np.asarray(output.samples, dtype=np.float64)
    label = f"input {output.index}"
    with np.errstate(all="ignore"):
        far = np.abs(samples - (output.value if bound is None else bound.value))
        far = np.where(np.isfinite(samples), far, np.inf)
        if bound is None:
            return [Entry(float(value), label, math.isfinite(value)) for value in far.ravel()]
        inside = far <= bound.absolute_bound
        part = np.where(far == 0.0, 0.0, far / bound.absolute_bound)
    return [Entry(float(p), label, bool(i)) for p, i in zip(part.ravel(), inside.ravel(), strict=True)]
