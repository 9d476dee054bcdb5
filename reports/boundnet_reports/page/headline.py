"""What stands first: the verdict, what the guarantee means, and the few figures that matter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from boundnet.crosscheck.results import CrossCheck
from boundnet.mca.results import Sampled
from boundnet.results import Analysis
from boundnet.results.chance_info import ChanceInfo
from boundnet.results.digits import certain_digits
from boundnet.results.text import bound_text, count_text, printable, share_text, value_text
from boundnet_reports.boxes import box_facts
from boundnet_reports.page.decisions import ratio
from boundnet_reports.page.layer_words import has_shares, share
from boundnet_reports.rows import cast_error, casting_text, rules_text, word

_MEANING = {
    "deterministic": "a theorem: it holds for every execution that conforms to the arithmetic below",
    "probabilistic": "likely, not proved: it holds with the stated probability if rounding errors behave as the model says",
    "empirical": "seen, not proved: it says what happened in the executions that were run, and nothing about others",
}


@dataclass(frozen=True)
class Tile:
    """One figure: what it is, the figure, what to know about it, and how to colour it (good, bad or nothing)."""

    name: str
    figure: str
    note: str = ""
    tone: str = ""


def tone(analysis: Analysis) -> str:
    """How the verdict is marked: good for what is proved, likely for what other guarantees say holds, else bad."""
    if not analysis.holds:
        return "bad"
    return "good" if word(analysis) == "proved" and analysis.samples else "likely"


MARKS = {"good": "✓", "likely": "≈", "bad": "✗"}
"""Beside the verdict, so that it does not depend on colour."""


def meaning(guarantee: str, chance: float | None = None, about: ChanceInfo | None = None) -> str:
    """The guarantee in words; ``chance``: the failure probability, where it has one; ``about``: what that rests on."""
    if guarantee == "probabilistic" and about is not None and about.model == "theorem":
        return (
            "likely, not proved: a theorem about stochastic rounding that fails with probability at most "
            f"{_chance(chance or 1.0)} over the random bits of one execution an input and the analyzer's own"
        )
    if guarantee == "sketch":
        odds = "a small probability" if chance is None else f"probability at most {_chance(chance)}"
        return (
            f"a theorem that fails with {odds} over the analyzer's own random numbers, for the whole result at once; "
            "rounding errors stay worst-case"
        )
    text = _MEANING.get(guarantee, "of a kind that this report does not know")
    return text if chance is None else f"{text} (failure probability at most {_chance(chance)})"


def odds(analysis: Analysis) -> str:
    """With what probability the verdict may be wrong, to stand beside it; empty for a guarantee without one."""
    chance = analysis.failure_probability
    return "" if chance is None else f"except with probability at most {_chance(chance)}"


def _chance(chance: float) -> str:
    """A probability: as it was asked for where that is short, else rounded up."""
    return min(value_text(chance), bound_text(chance), key=len)


def split_verdict(verdict: str) -> tuple[str, str]:
    """(PROVED or the like, the rest of the sentence)."""
    head, colon, rest = printable(verdict).partition(":")
    if colon and head == head.upper() and len(head) < 20:
        return head, _capital(rest.strip())
    head, _, rest = printable(verdict).partition(" for ")
    if head == head.upper() and len(head) < 20 and rest:
        return head, _capital(f"for {rest}")
    return "", printable(verdict)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def tiles(analysis: Analysis) -> list[Tile]:
    """The figures that matter."""
    summary = analysis.summary
    found = []
    name = word(analysis)
    if summary.total:
        all_of_them = summary.holding == summary.total
        text = f"{summary.holding} of {summary.total}"
        found.append(Tile(f"decisions {name}", text, _closest(analysis), tone(analysis) if all_of_them else "bad"))
    else:
        found.append(Tile("decisions", "none", "the outputs decide nothing, or nothing was analysed"))
    bound = summary.max_absolute_bound
    in_u = summary.max_absolute_bound_in_u
    unit = "" if in_u is None else f"{bound_text(in_u)} u of {printable(str(analysis.arithmetic['storage']))}"
    name = "outputs: |computed - exact| ≤"
    if analysis.samples:
        found.append(Tile(name, bound_text(bound), unit, "" if math.isfinite(bound) else "bad"))
    else:
        found.append(Tile(name, "none known", "no sample was analysed", "bad"))
    found.append(_digits(analysis))
    found.append(_costly(analysis))
    return found


def _closest(analysis: Analysis) -> str:
    """How near a decision comes to failing."""
    ratios = [ratio(sample.decision) for sample in analysis.samples if sample.decision is not None]
    worst = max(ratios, key=lambda part: math.inf if math.isnan(part) else part, default=math.nan)
    rule = printable(analysis.summary.decision_rule)
    if analysis.inputs.box:
        return f"rule: {rule}"
    return f"{rule}; bound / margin at most {bound_text(worst, 2)}" if math.isfinite(worst) else f"rule: {rule}"


def facts(analysis: Analysis) -> Mapping[str, str]:
    """What was analysed, under which rules, and the figures that need no tile."""
    model, rules, inputs, summary = analysis.model, analysis.arithmetic, analysis.inputs, analysis.summary
    where = f"{inputs.count} from {inputs.source}" + (" (boxes of inputs)" if inputs.box else "")
    where = inputs.source if inputs.synthetic or (inputs.box and inputs.count == 1) else where
    found = {
        "model": f"{model.name}, {model.parameters:,} parameters, {count_text(len(analysis.layers), 'layer')}",
        "inputs": where + "".join(f"; {note}" for note in inputs.notes),
        **box_facts(analysis),
        "arithmetic": f"{rules['name']}: {rules_text(rules)}",
    }
    if analysis.samples:
        found["outputs"] = f"median over the samples of the largest bound: {bound_text(summary.median_absolute_bound)}"
    if summary.max_logit_bound is not None and summary.median_logit_bound is not None:
        found["logits"] = (
            f"within {bound_text(summary.max_logit_bound)} of exact, median {bound_text(summary.median_logit_bound)}"
        )
    cast = cast_error(analysis)
    if cast != 0.0:
        found["casts"] = casting_text(analysis, cast)
    domain = analysis.domain
    found["domain"] = f"{domain.used} (asked for: {domain.requested}): {domain.reason}"
    return {key: printable(value) for key, value in found.items()}


def digits_text(analysis: Analysis) -> str:
    """Significant decimal digits of the largest output that rounding leaves right, for the worst sample."""
    if not analysis.samples:
        return "none known"
    digits = certain_digits(analysis.samples)
    return "all" if digits is None else str(digits)


def _digits(analysis: Analysis) -> Tile:
    text = digits_text(analysis)
    notes = {"all": "outputs are exact", "none known": "no sample was analysed"}
    box = "of each box's largest output at its middle, in the worst box"
    note = notes.get(text, box if analysis.inputs.box else "of each sample's largest output, in the worst sample")
    return Tile("certain decimal digits", text, note, "bad" if text in ("0", "none known") else "")


def _costly(analysis: Analysis) -> Tile:
    if not has_shares(analysis):
        return Tile("most costly layer", "unknown", "no finite bound to attribute")
    worst = max(analysis.layers, key=share)
    return Tile("most costly layer", printable(worst.name), f"{share_text(share(worst))} of the final error bound")


def not_covered(analysis: Analysis) -> list[str]:
    """What the result does not say."""
    inputs = analysis.inputs
    boxes = count_text(inputs.count, "box")[:-1] + "es" if inputs.count != 1 else "1 box"
    which = f"inputs outside the {boxes} analysed" if inputs.box else f"inputs other than the {inputs.count} analysed"
    lines = [which]
    if inputs.synthetic:
        lines.append("real data: these inputs were drawn at random")
    lines += [
        "whether the trained network is right: only its rounding is judged, against its own exact result",
        "perturbed inputs (adversarial robustness)" if not inputs.box else "perturbations that leave the boxes",
        "preprocessing before the network, and the measurement of its inputs",
        "programs that do not conform to the arithmetic: Winograd or FFT convolutions, fast-math, "
        "unsafe compiler options, faulty hardware",
    ]
    return lines


def reproduce(result: Analysis | CrossCheck | Sampled) -> Mapping[str, str]:
    """What is needed to repeat the run, apart from the command."""
    found = {
        "model file": Path(result.model.path).name if result.model.path else f"none ({result.model.name})",
        "SHA-256": result.model.sha256 or "none: the model was not a file",
        "inputs": result.inputs.source,
        "seed of random inputs": "" if result.inputs.seed is None else str(result.inputs.seed),
        "versions": ", ".join(f"{key} {value}" for key, value in result.versions.items()),
        "result schema": result.schema_version,
    }
    return {key: printable(value) for key, value in found.items() if value}
