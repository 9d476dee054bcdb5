"""Made-up results of cross-checks and sampling: what a page shows, not what a network does."""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.crosscheck.results import Check, Compared, CrossCheck, Violation
from boundnet.mca.results import Digits, DigitsRule, LayerSpread, OutputSpread, Sampled, SamplingInfo, Stability
from boundnet.results import Analysis

NAN, INF = float("nan"), float("inf")


def compared(name: str, kind: str, bound: float, observed: float, **more: Any) -> Compared:
    """A row; ratio and tightness follow from bound and observation."""
    ratio = bound / observed if observed else None
    figures = {"ratio": ratio, "tightest": ratio, "compared": 1200, "unbounded": 0, "violations": 0, "low": -1.0, "high": 2.0,
               "may_overflow": False, "non_finite": 0, **more}  # fmt: skip
    return Compared(name, kind, f"{name}_node", bound, observed, **figures)


def check(analysis: Analysis, title: str, violations: tuple[Violation, ...] = (), factor: float = 0.02) -> Check:
    """One execution of the analysed network; errors are ``factor`` of the bounds."""
    bad = {violation.layer for violation in violations}
    layers = tuple(
        compared(layer.name, layer.kind, layer.absolute_bound, layer.absolute_bound * (1.5 if layer.name in bad else factor),
                 violations=3 if layer.name in bad else 0)
        for layer in analysis.layers
    )  # fmt: skip
    worst = analysis.summary.max_absolute_bound
    outputs = (compared(analysis.samples[0].outputs[0].name, "output", worst, worst * factor),)
    return Check(
        "builtin", title, analysis.arithmetic, 10, layers, outputs, violations, 3 * len(violations), ("a note",), {}
    )


def violation(layer: str, node: str = "node_1") -> Violation:
    """An element outside its bound."""
    return Violation("layer", node, layer, 4, (1, 2), 1.25, 1.0, 0.2, "sample 3", "boundnet crosscheck m.h5 --seed 3")


def cross_check(analysis: Analysis, *violations: Violation) -> CrossCheck:
    """Two executions, one with the ``violations``."""
    checks = (check(analysis, "keras float32, eager"), check(analysis, "builtin rr(24)", violations))
    count = sum(one.violation_count for one in checks)
    verdict = f"VIOLATED: {count} values outside their bounds" if count else "NO VIOLATION: every value is inside its bound"
    return CrossCheck(analysis.model, analysis.inputs, "float64", checks, count, verdict, {"boundnet": "0.1.0"})


def sampled(analysis: Analysis, *, changed: float = 0.25, inside: bool = True, values: bool = True) -> Sampled:
    """30 samples of every output of ``analysis``, spread over a tenth of its bounds, or one outside."""
    rng = np.random.default_rng(0)
    outputs = []
    for sample in analysis.samples:
        for output in sample.outputs:
            with np.errstate(invalid="ignore"):
                reach = np.where(np.isfinite(output.absolute_bound), output.absolute_bound, 1.0)
                drawn = output.value + reach * rng.uniform(-0.1, 0.1, (30, *output.value.shape))
                if not inside:
                    drawn[0] = output.value + 2 * reach
            digits = {
                "cnh_relative": np.full(output.value.shape, 5.25),
                "general_absolute": np.full(output.value.shape, 6.0),
            }
            outputs.append(OutputSpread(sample.index, output.name, output.value, drawn.mean(0), drawn.std(0), drawn.min(0),
                                        drawn.max(0), digits, drawn if values else None))  # fmt: skip
    layers = tuple(
        LayerSpread(layer.name, layer.kind, layer.nodes[-1] if layer.nodes else "", layer.shape, -1.0, 2.0, 1e-6, 1e-7, 3e-6, 0,
                    (Digits("cnh", "relative", 3.0, 6.1, 6.0), Digits("general", "absolute", 4.0, 7.1, 7.0)))
        for layer in analysis.layers
    )  # fmt: skip
    stability = tuple(
        Stability(s.index, s.decision.class_index, changed, {"0": 20, "1": 10}) for s in analysis.samples if s.decision
    )
    return Sampled(analysis.model, analysis.arithmetic, SamplingInfo("builtin", "builtin rr(24)", "rr", 24, 30, 7),
                   DigitsRule(10, "float64", 0.95, 0.95, "0.4.0"), analysis.inputs, layers, tuple(outputs), stability,
                   ("a note",), {"total": 1.0}, f"SAMPLED: 30 samples of {len(analysis.samples)} inputs")  # fmt: skip
