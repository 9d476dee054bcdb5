"""A cross-check from end to end: :func:`crosscheck`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from boundnet.analysis.analyze import choose_inputs, versions
from boundnet.analysis.execution.executor import Submits
from boundnet.analysis.samples import Progress
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.presets import preset
from boundnet.crosscheck.compare import compare
from boundnet.crosscheck.results import Check, CrossCheck
from boundnet.frontends import load_for
from boundnet.mca.backend import Execution, Job, Sampling, backend
from boundnet.numerics.outward import check_gradual_underflow
from boundnet.results import ModelInfo
from boundnet.results.text import count_text

REFERENCE = "float64 evaluation, widened by its own error bound"


def crosscheck(
    model: Any, inputs: Any = None, arithmetic: Arithmetic | str = "binary32", *, backends: Sequence[str] = ("builtin",),
    samplings: Sequence[Sampling] = (Sampling(1, "none"), Sampling()), options: Mapping[str, Any] | None = None,
    domain: str = "auto", first: int | None = None, input_range: tuple[float, float] = (0.0, 1.0), seed: int = 0,
    source: str | None = None, progress: Progress | None = None, executor: Submits | None = None,
) -> CrossCheck:  # fmt: skip
    """Compare executions of ``model`` with the bounds for the Arithmetic that each conforms to.

    Args:
        model: path of a model file, a live model or a :class:`~boundnet.graph.LayerGraph`.
        inputs: (N, *input shape) numbers; None draws some in ``input_range`` with ``seed``.
        arithmetic: the machine, or the name of a preset.
        backends: what executes (:func:`boundnet.mca.backend.backends`).
        samplings: how, for backends that sample.
        options: of single backends.
        first: use only the first so many inputs (or draw so many).
        executor: where the outputs' bounds are computed, as for :func:`boundnet.analyze`; executions run here.

    Returns:
        Figures for every layer and output; ``violation_count`` is 0 unless a bound is wrong (or an execution does not
        conform).

    Raises:
        BoundNetError: bad model, inputs, arithmetic or backend, with what to do.
    """
    check_gradual_underflow()
    rules = preset(arithmetic) if isinstance(arithmetic, str) else arithmetic
    graph = load_for(model, inputs)
    values, info = choose_inputs(graph, inputs, first, input_range, seed, source)
    path = graph.metadata.get("path")
    job = Job(graph, path, rules, samplings, options or {})
    executions: list[tuple[str, Execution]] = []
    try:
        # All of them before the first run: what one backend lacks should not cost the time of the others.
        for name in backends:
            executions += [(name, execution) for execution in backend(name).executions(job)]
        found = [
            compare(execution, values, name, domain=domain, progress=progress, executor=executor)
            for name, execution in executions
        ]
    finally:
        for _, execution in executions:
            execution.close()
    total = sum(check.violation_count for check in found)
    origin = ModelInfo(graph.name, path, graph.metadata.get("sha256"), graph.parameters, graph.metadata)
    return CrossCheck(origin, info, REFERENCE, tuple(found), total, _verdict(found, total, info.count), versions())


def _verdict(checks: Sequence[Check], total: int, inputs: int) -> str:
    values = sum(row.compared for check in checks for row in check.outputs + check.layers)
    runs = sum(check.rows for check in checks) * inputs
    if total:
        where = sorted({violation.layer for check in checks for violation in check.violations})
        what = f"{count_text(total, 'value')} outside the bound, in {', '.join(where)}"
        return f"VIOLATED: {what}: a bound is wrong or a run does not conform, please report it"
    infinite = sum(row.unbounded for check in checks for row in check.outputs)
    rest = f"; {count_text(infinite, 'output value')} had no finite bound to be compared with" if infinite else ""
    which = sorted({check.backend for check in checks})
    by = f" by {' and '.join([', '.join(which[:-1]), which[-1]])}" if len(which) > 1 else ""
    rest += _overflow(checks)
    return f"CONFIRMED: {count_text(runs, 'run')}{by}, {count_text(values, 'value')} compared, none outside its bound{rest}"


def _overflow(checks: Sequence[Check]) -> str:
    """What was flagged beside what was seen, in layers of executions; nothing where neither happened."""
    rows = [row for check in checks for row in check.layers]
    flagged = [row for row in rows if row.may_overflow]
    if not flagged:
        return ""
    seen = sum(row.non_finite > 0 for row in flagged)
    # Infinities and NaN travel on to layers that can't overflow themselves; where a bound is finite they are violations.
    passed = sum(row.non_finite > 0 and not row.may_overflow for row in rows)
    after = f", and in {count_text(passed, 'layer')} that they reach from there" if passed else ""
    return (
        f"; values that are not finite were seen in {seen} of {count_text(len(flagged), 'layer')} that may overflow{after}"
    )
