"""The oracle finds every forgotten term of the rules for normalisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.mutation import mutate

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY16, BINARY32
from boundnet.ops.base import Op
from boundnet.ops.normalisation import _Normalisation
from boundnet.roundoff import moments
from boundnet.roundoff import normalisation as normal_bounds
from boundnet.testing import BoundViolation, check_bound

BF16 = Arithmetic("bf16", BFLOAT16, BFLOAT16, fma="no", subnormals="gradual")
FP16 = Arithmetic("fp16", BINARY16, BINARY16, fma="no", subnormals="gradual")
WIDE = Arithmetic("wide", BINARY32, BINARY32)
ANY = replace(BF16, rounding="any")


def attack(op: Op, rules: Arithmetic, n: int, radius: float = 0.0, mean: float = 0.0, scale: float = 1.0) -> None:
    """Random groups until a bound breaks, or 12 of them hold."""
    for seed in range(12):
        x = rules.storage.round(np.random.default_rng(seed).normal(size=(1, n)) * scale + mean)
        check_bound(
            op, [x], rules, radius=None if radius == 0.0 else [np.full(x.shape, radius)], trials=12, exact=False, seed=seed
        )


LAYER = ops.LayerNorm(epsilon=1e-3, one_pass=False)
ONE_PASS = ops.LayerNorm(epsilon=1e-3)
RMS = ops.RMSNorm(epsilon=1e-3)
UNIT = ops.UnitNorm()
PLAIN = ops.LayerNorm(np.array([3.0]), np.array([0.5]), 1e-3, one_pass=False)

MUTANTS: list[tuple[str, Callable[..., Any], str, str, Op, Arithmetic, dict[str, float]]] = [
    ("mean's error in the result", normal_bounds.rounding, "scale.hi * mean_error + ", "", LAYER, FP16,
     {"n": 3, "mean": 30.0}),
    ("scale's error", normal_bounds.rounding, " + near.offset.magnitude * scale_error", "", RMS, BF16, {"n": 4}),
    ("last stage", normal_bounds.rounding, "up(stage + carried, 1)", "carried", PLAIN, ANY, {"n": 1}),
    ("rsqrt itself", normal_bounds._scale, "up(own + ", "up(0.0 * own + ", RMS, BF16, {"n": 1, "scale": 0.01}),
    ("variance moves the scale", normal_bounds._scale, "up(error / base, 3)", "0.0 * error", UNIT, ANY, {"n": 12}),
    ("cancellation of the one-pass variance", normal_bounds._powers, "if normal.one_pass", "if False", ONE_PASS, FP16,
     {"n": 3, "mean": 10.0}),
    ("curvature of the scale", _Normalisation._linear, "bent = up(np.expm1(-0.5 * log), 12)", "bent = 0.0 * log", LAYER, WIDE,
     {"n": 3, "radius": 0.05}),
    ("share of the mean", _Normalisation._linear, "if normal.centred:\n        pairs", "if False:\n        pairs", LAYER, WIDE,
     {"n": 3, "radius": 0.001}),
    ("share of the variance", _Normalisation._linear, "pairs = [(weight * kept * share * middle,",
     "pairs = [(0.0 * weight * kept * share * middle,", LAYER, WIDE, {"n": 3, "radius": 0.001}),
    ("tilt", moments.reach, "* (2.0 * share), n + 3)", "* (0.0 * share), n + 3)", RMS, WIDE, {"n": 2, "radius": 0.05}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "rules", "data"), [pytest.param(*m[4:], id=m[0]) for m in MUTANTS])
def test_the_rule_itself_holds(op: Op, rules: Arithmetic, data: dict[str, float]) -> None:
    attack(op, rules, **data)  # type: ignore[arg-type]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[m[0] for m in MUTANTS])
def test_a_forgotten_term_is_found(monkeypatch: pytest.MonkeyPatch, mutant: Any) -> None:
    _, function, old, new, op, rules, data = mutant
    mutate(monkeypatch, function, old, new)
    with pytest.raises(BoundViolation):
        attack(op, rules, **data)
