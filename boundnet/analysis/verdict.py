"""The verdict in one line: what is proved, what is not, and what remains to try."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from boundnet.analysis.guarantee import DETERMINISTIC, Guarantee
from boundnet.arithmetic import Arithmetic
from boundnet.results import InputInfo, Layer, Sample, Summary
from boundnet.results.digits import certain_digits
from boundnet.results.text import bound_text, count_text, floor_text, share_text


def verdict(
    summary: Summary, layers: Sequence[Layer], samples: Sequence[Sample], inputs: InputInfo, arithmetic: Arithmetic,
    guarantee: Guarantee = DETERMINISTIC,
) -> str:  # fmt: skip
    """First line of every report."""
    what = _inputs(inputs)
    size = _size(summary.max_absolute_bound, samples, inputs.box)
    likely = guarantee.chance is not None
    if summary.total and summary.holding == summary.total:
        which = ("anywhere in" if inputs.box else "of") + (" the" if inputs.count == 1 else " any of")
        changes = "is unlikely to change" if likely else "can't change"
        head = f"{'LIKELY' if likely else 'PROVED'}: rounding in {arithmetic.name} {changes} the class {which} {what}"
        odds = f"{_odds(guarantee)}; " if likely else ""
        return (
            f"{head}; {odds}{size}."
            if math.isfinite(summary.max_absolute_bound)
            else f"{head}; but {_where_lost(layers, arithmetic)}."
        )
    remains = _remains(arithmetic, inputs, likely)
    on_logits = summary.total > 0 and summary.holding + summary.logits_only == summary.total
    if on_logits and math.isfinite(summary.max_absolute_bound):
        where = "anywhere in" if inputs.box else "of" + (" the" if inputs.count == 1 else " any of")
        changes = "is unlikely to change" if likely else "can't change"
        odds = f"{_odds(guarantee)}; " if likely else ""
        head = f"LOGITS ONLY: rounding in {arithmetic.name} {changes} which logit is largest {where} {what}"
        ties = f"the returned probabilities may tie for {summary.logits_only}"
        return f"{head}, but {ties}; {odds}{size}. {_remedies(arithmetic)} {remains}".rstrip()
    if not math.isfinite(summary.max_absolute_bound):
        lost = sum(not _finite(sample) for sample in samples)
        still = f"; class {_word(likely)} for {summary.holding} of {summary.total}" if summary.total else ""
        still += f", on the logits only for {summary.logits_only}" if summary.logits_only else ""
        which = f"the {what}" if inputs.box and inputs.count == 1 else f"{lost} of {what}"
        head = f"NO BOUND for {which} in {arithmetic.name}: {_where_lost(layers, arithmetic)}{still}"
        return f"{head}. {_remedies(arithmetic, True)} {remains}".rstrip()
    vague = certain_digits(samples) == 0
    if not summary.total:
        how = f" ({_odds(guarantee)})" if likely else ""
        which = "all inputs of the box" if inputs.box and inputs.count == 1 else what
        head = f"BOUNDED: {which} in {arithmetic.name}, {size}{how}; no decision to prove"
        return f"{head}. {_cause(layers, vague)} {_remedies(arithmetic)} {remains}".rstrip() if vague else f"{head}."
    if inputs.box:
        return f"NOT PROVED: {_share(samples)} in {arithmetic.name}; {size}. {_remedies(arithmetic)}"
    rest = "the rest" if summary.holding else "it" if inputs.count == 1 else "they"
    more = f", on the logits only for {summary.logits_only}" if summary.logits_only else ""
    if likely:
        kept = f"rounding likely keeps the class for {summary.holding} of {what} in {arithmetic.name} ({_odds(guarantee)})"
        head = f"NOT ALL LIKELY: {kept}{more}, {rest} may or may not change"
    else:
        kept = f"class proved for {summary.proved} of {what} in {arithmetic.name}"
        head = f"NOT PROVED: {kept}{more}, {rest} may or may not change"
    # Where some class is kept the bound does say something, whatever the largest of its elements is.
    return f"{head}; {size}. {_cause(layers, vague and not summary.holding)} {_remedies(arithmetic)} {remains}".rstrip()


def logits_only_line(summary: Summary, guarantee: Guarantee = DETERMINISTIC) -> list[str]:
    """What to say of decisions that hold on the logits but not on what the program returns."""
    if not summary.logits_only:
        return []
    word = "proved" if guarantee.chance is None else "likely"
    count = count_text(summary.logits_only, "decision")
    hold = "holds" if summary.logits_only == 1 else "hold"
    return [
        f"{count} not {word} {hold} on the logits: their returned probabilities may tie or have no bound, so the returned "
        "class may be another"
    ]


def _word(likely: bool) -> str:
    return "likely unchanged" if likely else "proved"


def _odds(guarantee: Guarantee) -> str:
    """With what probability a probabilistic claim fails, and whether that is a theorem."""
    assert guarantee.chance is not None
    assert guarantee.probability is not None
    basis = (
        "a theorem for stochastic rounding" if guarantee.chance.model == "theorem" else "under a model of rounding errors"
    )
    return f"fails with probability at most {bound_text(guarantee.probability, 2)}, {basis}"


def _inputs(inputs: InputInfo) -> str:
    if inputs.box:
        return "box of inputs" if inputs.count == 1 else f"{inputs.count} boxes of inputs"
    return count_text(inputs.count, "random input" if inputs.synthetic else "input")


def _finite(sample: Sample) -> bool:
    return all(bool(np.isfinite(output.absolute_bound).all()) for output in sample.outputs)


def _share(samples: Sequence[Sample]) -> str:
    """How much of the boxes is proved; elsewhere a boundary between classes may run through a piece."""
    shares = [s.box.proved_share for s in samples if s.box is not None and s.box.proved_share is not None]
    if len(samples) == 1 and shares:
        return f"rounding can't change the class in {floor_text(100.0 * shares[0])} % of the box of inputs, elsewhere it may"
    done = sum(1 for s in samples if s.decision is not None and s.decision.proved)
    return f"class proved for {done} of {len(samples)} boxes of inputs, in the rest it may change somewhere"


def _size(bound: float, samples: Sequence[Sample], box: bool) -> str:
    digits = certain_digits(samples)
    if digits is None:
        return "outputs are exact"
    if box:
        return f"outputs within {bound_text(bound)} of exact"
    certain = f"{count_text(digits, 'digit')} of the largest output certain" if digits else "no digit of the outputs certain"
    return f"outputs within {bound_text(bound)} of exact ({certain})"


def _where_lost(layers: Sequence[Layer], arithmetic: Arithmetic) -> str:
    """Why some output has no finite bound: the first layer that overflows, may do so, or loses its bound."""
    for layer in layers:
        if layer.may_overflow:
            return overflow_text(layer, arithmetic)
        if not math.isfinite(layer.absolute_bound):
            return f"the bound becomes infinite at layer {layer.name!r}"
    return "the bound of an output is infinite"


def overflow_text(layer: Layer, arithmetic: Arithmetic) -> str:
    """What is known of an overflow: the value reached and the exponent bits that hold it.

    ``overflows`` where the float64 values themselves pass the largest number of the storage format, beyond any doubt of
    theirs; ``may overflow`` where only values within the bound do, or intermediate ones.
    """
    fmt = arithmetic.storage
    centre = layer.largest_value if layer.largest_value is not None and math.isfinite(layer.largest_value) else 0.0
    # float64 centres of an overflowing layer may be off by anything later, and by a few roundings at the first.
    certain = centre * (1.0 - 2.0**-20) > fmt.largest
    reach = centre if certain else max(abs(layer.low), abs(layer.high))
    verb = "overflows" if certain else "may overflow"
    if not math.isfinite(reach) or reach == 0.0:
        return f"layer {layer.name!r} {verb}"
    # A format with e exponent bits holds magnitudes below 2**(2**(e - 1)).
    bits = 2 + math.floor(math.log2(max(math.log2(reach), 1.0))) if reach > 1.0 else 2
    needed = "" if fmt.is_fixed or reach <= fmt.largest else f", which takes {bits} exponent bits"
    reaches = "values reach" if certain else "values up to"
    return f"layer {layer.name!r} {verb} ({reaches} {bound_text(reach)}{needed})"


def _cause(layers: Sequence[Layer], vague: bool) -> str:
    """Where the error outgrows the values, or which layer causes most of it."""
    first = vague_from(layers) if vague else None
    if first is not None:
        return f"The bound says nothing from layer {first!r} on, where it outgrows the values."
    worst = max(layers, key=lambda layer: layer.error_share, default=None)
    if worst is None or not worst.error_share > 0:
        return "Margins are too small for these bounds."
    return f"The largest share of the error, {share_text(worst.error_share)}, arises in layer {worst.name!r}."


def vague_from(layers: Sequence[Layer]) -> str | None:
    """The first layer that may overflow, or whose bound outgrows its largest value; None where there is none."""
    for layer in layers:
        # ``low`` and ``high`` are the largest value with the bound around it.
        inside = layer.absolute_bound <= 0.5 * max(abs(layer.low), abs(layer.high)) < math.inf
        if layer.may_overflow or not inside:
            return layer.name
    return None


def _remedies(arithmetic: Arithmetic, overflow: bool = False) -> str:
    """What could still help, given what is already assumed."""
    known = ["a --format of wider range"] if overflow else ["a wider --format"] if arithmetic.storage.precision < 53 else []
    if arithmetic.accumulate == arithmetic.storage and arithmetic.storage.precision < 53:
        known.append("a wider --accumulate")
    if arithmetic.order.kind == "any" and not overflow:
        known.append("a known --order")
    if arithmetic.widens and arithmetic.stores == "any" and arithmetic.nearest and not overflow:
        known.append("--stores all (if the program stores every tensor)")
    if overflow:
        known.append("smaller inputs")
    if not known:
        return "Nothing in this arithmetic is left to assume."
    listed = ", ".join(known[:-1]) + (" or " if len(known) > 1 else "") + known[-1]
    return f"To tighten: {listed}."


def _remains(arithmetic: Arithmetic, inputs: InputInfo, likely: bool) -> str:
    """Answers of another kind that are still to be had where the worst case proves too little."""
    other = []
    unbiased = arithmetic.rounding in ("nearest", "stochastic") and arithmetic.perturbation is None
    if unbiased and not likely and not inputs.box:
        other.append("--guarantee probabilistic (likely, with its probability)")
    if not inputs.box:
        other.append("boundnet mca (what happens in sampled runs, without proof)")
    return f"What else can answer: {' and '.join(other)}." if other else ""


__all__ = ["logits_only_line", "overflow_text", "vague_from", "verdict"]
