"""Sampling from end to end: :func:`sample`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from boundnet.analysis.analyze import choose_inputs, find_heads, versions
from boundnet.analysis.heads import Head
from boundnet.analysis.samples import Progress
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.presets import preset
from boundnet.errors import InputError
from boundnet.frontends import load_for
from boundnet.graph import LayerGraph
from boundnet.inputs.arrays import take
from boundnet.mca.backend import Execution, Job, Sampling, backend
from boundnet.mca.digits import CHANCE, digits_rule, mean_of, significant, usable_methods
from boundnet.mca.engine.run import chunk_of
from boundnet.mca.results import LayerSpread, OutputSpread, Sampled, SamplingInfo, Stability
from boundnet.mca.spread import Spread
from boundnet.numerics.outward import Array
from boundnet.results import InputInfo, ModelInfo
from boundnet.results.text import count_text, share_text


def sample(
    model: Any, inputs: Any = None, arithmetic: Arithmetic | str = "binary32", sampling: Sampling | None = None, *,
    backend_name: str = "builtin", base: int = 2, reference: str = "float64", options: Mapping[str, Any] | None = None,
    first: int | None = None, input_range: tuple[float, float] = (0.0, 1.0), seed: int = 0, decision: str = "auto",
    keep_samples: bool = False, source: str | None = None, progress: Progress | None = None,
) -> Sampled:  # fmt: skip
    """Run every input many times with random rounding and count the digits that stay.

    Args:
        model: path of a model file, a live model or a :class:`~boundnet.graph.LayerGraph`.
        inputs: (N, *input shape) numbers; None draws some in ``input_range`` with ``seed``.
        sampling: how often and how (default: 10 samples, rr at 24 bits).
        base: 2 for bits, 10 for decimal digits.
        reference: ``float64`` evaluation of the network, or the samples' ``mean``.
        keep_samples: also return the outputs of all samples.

    Raises:
        BoundNetError: bad model, inputs, arithmetic or backend, with what to do.
    """
    started = time.perf_counter()
    if base not in (2, 10):
        raise InputError(f"base {base}: use 2 or 10")
    if reference not in ("float64", "mean"):
        raise InputError(f"reference {reference!r}: use float64 or mean")
    rules = preset(arithmetic) if isinstance(arithmetic, str) else arithmetic
    sampling = sampling or Sampling()
    graph = load_for(model, inputs)
    values, info = choose_inputs(graph, inputs, first, input_range, seed, source)
    heads = find_heads(graph, decision)
    job = Job(graph, graph.metadata.get("path"), rules, (sampling,), options or {})
    executions = backend(backend_name).executions(job)
    try:
        return _sampled(executions[0], backend_name, sampling, values, info, heads, base, reference, keep_samples, started,
                        progress)  # fmt: skip
    finally:
        for execution in executions:
            execution.close()


def _sampled(
    execution: Execution, backend_name: str, sampling: Sampling, values: list[Array], info: InputInfo, heads: Sequence[Head],
    base: int, reference: str, keep: bool, started: float, progress: Progress | None,
) -> Sampled:  # fmt: skip
    graph, rows = execution.graph, len(execution.rows)
    spreads = {name: Spread(graph, name, base, reference) for name in graph.topological()}
    outputs: list[OutputSpread] = []
    stability: list[Stability] = []
    decider = next((head for head in heads if head.rule != "none"), None)
    step = min(64, chunk_of(graph, rows))
    seen: dict[str, Array] = {}
    for at in range(0, info.count, step):
        if progress is not None:
            progress("sampling", at, info.count)
        chunk = take(values, at, min(at + step, info.count))
        centres = graph.evaluate(chunk)
        wanted = {*graph.outputs, *([decider.logits] if decider and decider.logits else [])}
        seen.clear()
        for name, computed in execution.run(chunk, at):
            spreads[name].add(computed, centres[name])
            if name in wanted:
                seen[name] = computed
        outputs += _outputs(graph, seen, centres, at, base, reference, keep)
        if decider is not None:
            stability += _stability(decider, seen, centres, at)
    if progress is not None:
        progress("sampling", info.count, info.count)
    facts = graph.metadata
    origin = ModelInfo(graph.name, facts.get("path"), facts.get("sha256"), graph.parameters, facts)
    about = SamplingInfo(backend_name, execution.title, sampling.mode, sampling.precision, rows, sampling.seed)
    layers = {spread.layer: spread for spread in spreads.values() if spread.seen}
    notes = (*execution.notes, *_shared_errors(spreads[name].result() for name in dict.fromkeys(graph.outputs)))
    return Sampled(
        origin, execution.arithmetic.describe(), about, digits_rule(base, reference, rows), info,
        tuple(spread.result() for spread in layers.values()), tuple(outputs), tuple(stability), notes,
        {"total": time.perf_counter() - started}, _verdict(outputs, stability, rows, base), versions=versions(),
    )  # fmt: skip


def _shared_errors(outputs: Iterable[LayerSpread]) -> tuple[str, ...]:
    """A note where errors that all runs have in common stand out from the noise."""
    share = max((output.biased or 0.0 for output in outputs), default=0.0)
    if share < 10.0 * CHANCE:
        return ()
    return (
        f"{share_text(share)} of the output values have samples whose mean is farther from the float64 evaluation than "
        f"their spread explains ({share_text(CHANCE)} by chance): errors that all runs share, such as casts; "
        "digits against the samples' mean leave them out",
    )


def _outputs(
    graph: LayerGraph, seen: Mapping[str, Array], centres: Mapping[str, Array], at: int, base: int, reference: str,
    keep: bool,
) -> list[OutputSpread]:  # fmt: skip
    found = []
    count = len(centres[graph.outputs[0]])
    for name, label in zip(graph.outputs, graph.output_labels, strict=True):
        samples = seen[name]
        with np.errstate(all="ignore"):
            mean = mean_of(samples)
            deviation = samples.std(axis=0, ddof=1) if len(samples) > 1 else np.zeros(mean.shape)
        low, high = samples.min(axis=0), samples.max(axis=0)
        about = centres[name] if reference == "float64" else mean
        digits = {
            f"{method}_{error}": significant(samples, about, method, error, base, fitted=reference == "mean")
            for method in usable_methods(len(samples))
            for error in ("relative", "absolute")
        }
        found += [
            OutputSpread(at + n, label, centres[name][n], mean[n], deviation[n], low[n], high[n],
                         {key: value[n] for key, value in digits.items()}, samples[:, n] if keep else None)
            for n in range(count)
        ]  # fmt: skip
    found.sort(key=lambda spread: spread.index)
    return found


def _stability(head: Head, seen: Mapping[str, Array], centres: Mapping[str, Array], at: int) -> list[Stability]:
    """Classes of the samples, on the logits where the backend shows them, on the output otherwise."""
    node = head.logits if head.logits in seen else head.output
    assert node is not None
    found = []
    for n in range(seen[node].shape[1]):
        samples, centre = seen[node][:, n].reshape(len(seen[node]), -1), centres[node][n].reshape(-1)
        if head.rule == "sign":
            threshold = 0.0 if node == head.logits else 0.5
            classes, own = (samples[:, 0] > threshold).astype(np.int64), int(centre[0] > threshold)
        else:
            classes, own = np.argmax(samples, axis=1), int(np.argmax(centre))
        classes = np.where(np.isnan(samples).any(axis=1), -1, classes)
        names, counts = np.unique(classes, return_counts=True)
        table = {"nan" if k < 0 else str(k): int(c) for k, c in zip(names, counts, strict=True)}
        found.append(Stability(at + n, own, float(np.mean(classes != own)), table))
    return found


def _verdict(outputs: Sequence[OutputSpread], stability: Sequence[Stability], samples: int, base: int) -> str:
    unit = "bits" if base == 2 else "decimal digits"
    key = "cnh_relative" if "cnh_relative" in outputs[0].digits else "general_relative"
    digits = np.concatenate([spread.digits[key].reshape(-1) for spread in outputs])
    head = f"SAMPLED: {np.median(digits):.1f} significant {unit} of the outputs in the median, {digits.min():.1f} at least"
    if not stability:
        return f"{head} ({count_text(samples, 'sample')} of {count_text(len(outputs), 'output')}); nothing is proved."
    changed = sum(item.changed > 0 for item in stability)
    share = share_text(float(np.mean([item.changed for item in stability])))
    which = f"{changed} of {count_text(len(stability), 'input')} ({share} of all samples)"
    return f"{head}; the class changed for {which}; nothing is proved."
