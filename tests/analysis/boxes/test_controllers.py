"""Controllers over the whole box of their specification: known figures, and no execution outside its bound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import boundnet
from boundnet.arithmetic.presets import build
from boundnet.domains import IntervalDomain
from boundnet.domains.forward import forward
from boundnet.mca.engine.run import execute
from boundnet.mca.engine.settle import settled
from boundnet.roundoff.rounder import Rounder

SHARED = Path(__file__).resolve().parents[4] / "shared"
CONTROL = SHARED / "models" / "archcomp_control"
MACHINE = {"order": "sequential", "fma": "no", "subnormals": "gradual", "bias": "last"}
STATE = ([1.0, 0.0], [1.2, 0.2])
KNOWN = [
    ("problems/dense64x10.h5", [0.0] * 64, [1.0] * 64, 0, 8.47e-6, 2.51e-6),
    ("problems/mlp288_relu.h5", *STATE, 200, 1.83e-8, 7.97e-9),
    ("models/archcomp_control/Single_Pendulum/controller_single_pendulum.h5", *STATE, 200, 1.63e-6, 3.12e-7),
]
"""Model, box, splits, the best bound of another tool, the largest error found by a search."""
BOXES = {
    "Single_Pendulum/controller_single_pendulum.h5": STATE,
    "Double_Pendulum/controller_double_pendulum_less_robust.h5": ([1.0] * 4, [1.3] * 4),
    "Double_Pendulum/controller_double_pendulum_more_robust.h5": ([1.0] * 4, [1.3] * 4),
    **{f"VCAS/h5_networks/VertCAS_noResp_pra0{n}_v9_20HU_200.nnet.h5": ([-0.5] * 3, [0.5] * 3) for n in range(1, 6)},
}


@pytest.mark.parametrize(("model", "low", "high", "splits", "best", "found"), KNOWN, ids=[row[0] for row in KNOWN])
def test_no_worse_than_other_tools(
    model: str, low: list[float], high: list[float], splits: int, best: float, found: float
) -> None:
    if not (SHARED / model).exists():
        pytest.skip(f"no {model} beside the repository")
    box = (np.array([low]), np.array([high]))
    result = boundnet.analyze(
        SHARED / model, arithmetic=build("binary32", **MACHINE), box=box, inputs_exact=True, splits=splits
    )
    assert found <= result.summary.max_absolute_bound <= best


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["binary32", "bfloat16"])
@pytest.mark.parametrize("model", BOXES)
def test_executions_stay_inside(model: str, storage: str) -> None:
    """100,000 random points; benchmarks/boxes.py runs more."""
    if not (CONTROL / model).exists():
        pytest.skip("no controllers beside the repository")
    low, high = (np.array([side]) for side in BOXES[model])
    rules = build(None, storage=storage, accumulate="binary32", **MACHINE)
    graph = boundnet.load(str(CONTROL / model))
    result = boundnet.analyze(graph, arithmetic=rules, box=(low, high), inputs_exact=True, splits=1000, decision="none")
    (output,) = result.samples[0].outputs
    rng = np.random.default_rng(0)
    x = rules.storage.round(rng.uniform(low, high, (100_000, low.shape[1])), "toward_zero")
    x = x[((x >= low) & (x <= high)).all(axis=1)]
    assert len(x) > 50_000
    own = forward(graph, [x], Rounder(None), IntervalDomain()).tensors[graph.outputs[0]]
    computed = next(y for name, y in execute(graph, [x], settled(rules), 1, 0) if name == graph.outputs[0])[0]
    assert np.all(np.abs(computed - own.centre) <= (output.absolute_bound + own.radius) * (1.0 + 2.0**-50))
    assert output.low is not None
    assert output.high is not None
    assert np.all((computed >= output.low) & (computed <= output.high))
