"""One analysis from end to end: :func:`analyze`."""

from __future__ import annotations

import os
import platform
import time
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np

from boundnet.analysis.assumptions import assumptions, boxes_line, chance_lines, coins_line
from boundnet.analysis.boxes.analyse import analyse_boxes, box_warning
from boundnet.analysis.boxes.given import choose_boxes, effort_of
from boundnet.analysis.casts import cast_losses, cast_warning
from boundnet.analysis.chance_claim import describe, lambda_for
from boundnet.analysis.execution.executor import Submits
from boundnet.analysis.execution.journal import open_journal
from boundnet.analysis.guarantee import DETERMINISTIC, Guarantee, as_likely, check_guarantee
from boundnet.analysis.heads import Head, find_head
from boundnet.analysis.layer_table import LayerTable, describe_nodes
from boundnet.analysis.repeats import repeats_warning
from boundnet.analysis.samples import Progress, bound_samples
from boundnet.analysis.units import Job
from boundnet.analysis.verdict import logits_only_line, overflow_text, verdict
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.presets import preset
from boundnet.errors import InputError
from boundnet.frontends import load_for
from boundnet.graph import LayerGraph
from boundnet.inputs.arrays import DEFAULT_COUNT, check_inputs, random_inputs, take
from boundnet.numerics.outward import Array, check_gradual_underflow
from boundnet.results import (
    Analysis,
    CastLoss,
    DomainInfo,
    InputInfo,
    ModelInfo,
    Sample,
    Summary,
)


def analyze(
    model: Any, inputs: Any = None, arithmetic: Arithmetic | str = "binary32", *,
    domain: Literal["auto", "interval", "affine", "sketch"] = "auto", samples: int | None = None,
    input_range: tuple[float, float] = (0.0, 1.0), seed: int = 0, reference: str | None = None,
    decision: str = "auto", box: tuple[Any, Any] | None = None, source: str | None = None, progress: Progress | None = None,
    coins: int | None = None, radius: float | None = None, inputs_exact: bool = False, splits: int | None = None,
    time_limit: float | None = None, executor: Submits | None = None, checkpoint: str | os.PathLike[str] | None = None,
    guarantee: Literal["worst-case", "probabilistic"] = "worst-case", lam: float | None = None, effort: float = 1.0,
) -> Analysis:  # fmt: skip
    """Bound |computed - exact| of every output of ``model`` for every execution that conforms to ``arithmetic``.

    Args:
        model: path of a Keras file, a live ``keras.Model`` or a :class:`~boundnet.graph.LayerGraph`.
        inputs: (N, *input shape) numbers, exact as given; several inputs as a list or a mapping by name.  None draws 8
            samples
            uniform in ``input_range`` with ``seed``.
        arithmetic: execution model or the name of a preset (:data:`boundnet.arithmetic.presets.PRESETS`).
        domain: ``affine`` keeps correlations, ``sketch`` does so for networks of any size with a guarantee that knows a
            tiny probability, ``interval`` is cheap; ``auto`` chooses for each input.
        samples: use only the first so many inputs (or draw so many).
        reference: ``arb``, ``mpmath`` or ``pyinterval``: also evaluate the exact outputs to certified digits.
        decision: ``auto``, ``argmax``, ``sign`` or ``none`` (:func:`boundnet.analysis.heads.find_head`).
        box: (low, high), each a number for all elements or two inputs' worth of arrays: bounds for all inputs between them.
        source: where the inputs came from, for the record.
        progress: called as work goes on.
        coins: seed of the sketches' proving coins, for a repetition; the result is then conditional on it.  None draws them
            from the operating system once everything they check is fixed.
        radius: boxes of this radius around ``inputs`` instead.
        inputs_exact: of boxes: inputs are numbers of the storage format already, so that storing them rounds nothing.
        splits, time_limit: how often boxes are halved, each, and for how many seconds, in all; neither means not at all.
        executor: where to work: :func:`boundnet.processes`, any ``concurrent.futures.Executor``, or what looks like one,
            such as dask's ``client.get_executor()``.  For single inputs the result is the same to the last bit as without.
        effort: work that a sketch may spend on open decisions, times the usual: more is sharper and slower.
        checkpoint: file that keeps what is done, so that an interrupted analysis of single inputs goes on where it stopped;
            made if absent, refused if it belongs to another analysis.
        guarantee: ``worst-case`` bounds every conforming execution; ``probabilistic`` takes rounding errors as
            mean-independent (a theorem for stochastic rounding, a model to nearest): bounds grow with square roots and hold
            with a stated probability (docs/explanation/probabilistic.md).
        lam: lambda, how many times their 2-norm sums of roundings may reach under ``probabilistic``; None chooses the
            smallest for a probability of 1e-9.

    Returns:
        The result; bounds are absolute, in the outputs' own unit.

    Raises:
        BoundNetError: bad model, inputs or arithmetic, with what to do.

    Source: docs/explanation/theory.md; the contract is in the package's documentation.
    """
    started = time.perf_counter()
    check_gradual_underflow()
    rules = preset(arithmetic) if isinstance(arithmetic, str) else arithmetic
    if domain not in ("auto", "interval", "affine", "sketch"):
        raise InputError(f"domain {domain!r}: use auto, interval, affine or sketch")
    check_guarantee(guarantee, lam, box is not None)
    graph = load_for(model, inputs)
    timings = {"load": time.perf_counter() - started}
    heads = find_heads(graph, decision)
    if box is not None or radius is not None:
        if checkpoint is not None:
            raise InputError("checkpoint: boxes of inputs are bounded in one go; leave it out")
        if reference is not None:
            raise InputError("reference: exact outputs are those of single inputs; leave it out with boxes")
        if domain == "sketch":
            raise InputError("domain 'sketch': boxes of inputs are bounded by affine forms or intervals")
        sides = choose_boxes(graph, inputs, box, radius, samples, source or ("box" if box is not None else "inputs"))
        halving = effort_of(splits, time_limit)
        run = analyse_boxes(graph, rules, *sides, heads, stored=inputs_exact, domain=domain, effort=halving,
                            executor=executor, progress=progress)  # fmt: skip
        timings["bound"] = time.perf_counter() - started - timings["load"]
        info = InputInfo(source or ("box" if box is not None else "array"), len(run.samples), box=True)
        lines = (*assumptions(rules, casts=run.casts, inputs_cast=not inputs_exact), boxes_line(rules, inputs_exact))
        return _assemble(graph, rules, run.samples, run.table, heads, info, run.domain, lines, timings, started)
    if splits is not None or time_limit is not None or inputs_exact:
        raise InputError("splits, time_limit and inputs_exact are for boxes of inputs: give a box or a radius")
    values, info = choose_inputs(graph, inputs, samples, input_range, seed, source)
    if coins is not None and not 0 <= coins < 2**63:
        raise InputError(f"coins {coins}: give a seed in 0 .. 2**63 - 1")
    if guarantee == "probabilistic":
        lam = lambda_for(rules, graph, heads, len(values[0]), lam)
    if not 0.0 <= effort < float("inf"):
        raise InputError(f"effort {effort}: give a finite number that is not negative")
    job = Job(graph, rules, domain, tuple(heads), coins, len(values[0]), lam, effort)
    journal = nullcontext() if checkpoint is None else open_journal(checkpoint, job, values, versions())
    with journal as kept:
        bounded = bound_samples(job, values, progress, executor, kept)
    timings["bound"] = time.perf_counter() - started - timings["load"]
    found = bounded.samples
    if reference is not None:
        before = time.perf_counter()
        from boundnet.analysis.execution.certified import with_reference

        found = with_reference(graph, values, found, reference, progress, executor)
        timings["reference"] = time.perf_counter() - before
    losses = cast_losses(graph, rules, values)
    found = losses.marked(found)
    cast_inputs = any(not np.array_equal(rules.storage.round(x), x) for x in values)
    lines = assumptions(rules, casts=bounded.casts, inputs_cast=cast_inputs, stepped=bounded.stepped)
    claim = DETERMINISTIC
    if bounded.claim.checks:
        claim = Guarantee("sketch", bounded.claim.probability)
        lines = (*lines, coins_line(bounded.claim, coins))
    if lam is not None:
        doubt = repeats_warning(graph, values) if rules.nearest else None
        claim = Guarantee.of(describe(rules, lam, graph, heads, len(values[0]), bounded.claim.probability), doubt)
        lines = (*lines, *chance_lines(claim.chance))
        found = [as_likely(sample) for sample in found]
    return _assemble(
        graph, rules, found, bounded.table, heads, info, bounded.domain, lines, timings, started, claim, losses.losses
    )


def find_heads(graph: LayerGraph, decision: str) -> list[Head]:
    """One head for each output; only the first that decides anything keeps its rule."""
    explicit = decision in ("argmax", "sign")
    heads = [find_head(graph, o, decision if i == 0 or not explicit else "none") for i, o in enumerate(graph.outputs)]
    seen = False
    result = []
    for head in heads:
        keep = head.rule != "none" and not seen
        seen = seen or keep
        result.append(head if keep else Head(head.output, head.logits if head.softmax else None, "none", head.softmax))
    return result


def choose_inputs(
    graph: LayerGraph, inputs: Any, samples: int | None, input_range: tuple[float, float], seed: int, source: str | None
) -> tuple[list[Array], InputInfo]:
    """The inputs to analyse, checked, cut to ``samples`` or drawn, and where they came from."""
    if samples is not None and samples < 1:
        raise InputError(f"samples must be at least 1, not {samples}")
    if inputs is None:
        count = samples or DEFAULT_COUNT
        values = random_inputs(graph, count, *input_range, seed)
        text = f"{count} random inputs, uniform in [{input_range[0]:g}, {input_range[1]:g}]"
        return values, InputInfo(text, count, synthetic=True, seed=seed)
    values = check_inputs(graph, inputs, source or "inputs")
    values = take(values, 0, samples or len(values[0]))
    return values, InputInfo(source or "array", len(values[0]))


def _assemble(
    graph: LayerGraph, rules: Arithmetic, found: list[Sample], table: LayerTable, heads: list[Head], info: InputInfo,
    domain: DomainInfo, lines: tuple[str, ...], timings: dict[str, float], started: float,
    guarantee: Guarantee = DETERMINISTIC, losses: tuple[CastLoss, ...] = (),
) -> Analysis:  # fmt: skip
    layers = table.rows()
    summary = _summary(found, heads, rules)
    warnings = []
    if info.synthetic:
        warnings.append(
            f"no inputs were given: these are {info.source} (seed {info.seed}), which says little about real data; "
            "pass real ones with --inputs FILE"
        )
    overflowing = [overflow_text(layer, rules) for layer in layers if layer.may_overflow]
    if overflowing:
        warnings.append(f"overflow in {rules.accumulate.name}/{rules.storage.name}: {'; '.join(overflowing)}")
    warnings += [line for line in (guarantee.warning, *map(box_warning, found)) if line]
    warnings += [line for loss in losses if (line := cast_warning(loss, rules))]
    warnings += logits_only_line(summary, guarantee)
    model = ModelInfo(graph.name, graph.metadata.get("path"), graph.metadata.get("sha256"), graph.parameters, graph.metadata)
    timings["total"] = time.perf_counter() - started
    return Analysis(
        model, rules.describe(), guarantee.name, lines, tuple(warnings), info, domain, tuple(found), layers, summary,
        timings, verdict(summary, layers, found, info, rules, guarantee), versions(), nodes=describe_nodes(graph),
        failure_probability=guarantee.probability, chance=guarantee.chance, cast_losses=losses,
    )  # fmt: skip


def _summary(found: list[Sample], heads: list[Head], rules: Arithmetic) -> Summary:
    bounds = [max(float(o.absolute_bound.max(initial=0.0)) for o in sample.outputs) for sample in found]
    logit = [float(sample.logits.absolute_bound.max()) for sample in found if sample.logits is not None]
    decisions = [sample.decision for sample in found if sample.decision is not None]
    u = rules.storage.unit_roundoff
    rule = next((head.rule for head in heads if head.rule != "none"), "none")
    largest = max(bounds, default=0.0)
    return Summary(
        largest, largest / u if u else None, float(np.median(bounds)) if bounds else 0.0,
        max(logit) if logit else None, float(np.median(logit)) if logit else None,
        sum(1 for d in decisions if d.proved), len(decisions), rule, sum(1 for d in decisions if d.likely),
        sum(1 for d in decisions if d.logits_only),
    )  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    try:
        own = version("boundnet")
    except PackageNotFoundError:
        own = "source tree"
    return {"boundnet": own, "numpy": np.__version__, "python": platform.python_version()}


__all__ = ["Progress", "analyze"]
