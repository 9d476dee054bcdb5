"""The compiled chain kernel against the running-error machine that it stands for, and against executions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.cases import CASES, Draw, arithmetics
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import boundnet
from boundnet import ops
from boundnet.arithmetic import OWN, Arithmetic
from boundnet.kernels import chains as kernels
from boundnet.machines import chains
from boundnet.machines.chains import chain_bound, chains_of
from boundnet.machines.running import RunningMachine
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import ufp
from boundnet.ops.base import Tensor
from boundnet.roundoff.rounder import Rounder, _run
from boundnet.testing import check_bound

RULES = {
    "binary32": {"name": "binary32"},
    "bfloat16": {"name": "bfloat16"},
    "float16, flushed": {"name": "float16", "subnormals": "ftz"},
    "binary64": {"name": "binary64"},
    "any rounding": {"name": "binary32", "rounding": "any", "subnormals": "ftz+daz"},
    "gradual": {"name": "binary32", "subnormals": "gradual"},
}
C = 5
RNG = np.random.default_rng(3)
W, V = RNG.normal(size=C), RNG.uniform(0.1, 3.0, C)
OPS: dict[str, Any] = {
    "batch norm": ops.BatchNorm(W, V, RNG.normal(size=C), RNG.normal(size=C)),
    "batch norm, plain": ops.BatchNorm(np.array([0.0, 1.0, -2.0, 0.5, 1e-30]), V),
    "batch norm, ones and zeros": ops.BatchNorm(np.zeros(C), V, np.array([1.0, 0.0, -1.0, 1e-3, 2.0]), np.zeros(C)),
    "scale": ops.ScaleShift(np.array(0.17)),
    "copy": ops.ScaleShift(np.array(1.0), np.array(0.0)),
    "scale and shift": ops.ScaleShift(np.array([1.0, 0.5, 0.0, -1.0, 1e-40]), np.array([0.0, 1.0, 0.0, -0.0, 1e-39])),
    "standardize": ops.Standardize(W.reshape(1, C), V.reshape(1, C)),
    "standardize, inverse": ops.Standardize(W.reshape(1, C), V.reshape(1, C), invert=True),
}


def values(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centres and radii of all sizes, zeros, subnormals, values at the weights, huge and infinite ones."""
    x = rng.normal(size=(2, 40, C)) * 2.0 ** rng.integers(-12, 12, size=(2, 40, C))
    x[0, :6] = np.array([0.0, 1e-310, -1e-42, 3e38, 1e300, np.inf])[:, None]
    x[1, 0] = W
    radius = np.abs(x) * rng.choice([0.0, 1e-7, 1e-2, 3.0], size=x.shape)
    radius[1, 1:4] = np.array([np.inf, 1e-320, 1.0])[:, None]
    return x, radius


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("normalises", [False, True])
def test_agrees_with_the_running_machine(name: str, rules: str, normalises: bool) -> None:
    """Never below it by more than what outward rounding moves; above it only where a power of two is crossed."""
    op, arithmetic = OPS[name], boundnet.build(**RULES[rules])
    x, radius = values(np.random.default_rng(8))
    found = chains_of(arithmetic, op.programs(), x.shape, op.parameters(), normalises)
    assert found is not None
    with np.errstate(all="ignore"):
        error, overflow = chain_bound(arithmetic, found, x, radius, normalises)
        machine = RunningMachine.inside(arithmetic, normalises)
        assert (machine.around is not None) == (normalises and arithmetic.widens)
        expected, may = _run(machine, op.programs(), [Box.around(x, radius)], op.parameters())
    finite = np.isfinite(expected)
    assert np.array_equal(np.isfinite(error), finite)
    assert np.all(overflow >= may)
    assert np.all(error[finite] >= expected[finite] * (1.0 - 1e-12))
    close = np.abs(error[finite] - expected[finite]) <= 1e-12 * expected[finite] + 1e-320
    assert close.mean() > 0.97
    assert np.all(error[finite] <= 2.1 * expected[finite] + 1e-320)
    assert np.array_equal(overflow[finite], may[finite])


@pytest.mark.parametrize("name", OPS)
def test_local_forms_use_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large tensors take the kernel, small ones do not; both get the same bound."""
    x, radius = np.random.default_rng(1).normal(size=(2, 40, C)), np.full((2, 40, C), 1e-4)
    tensor = Tensor(x, radius, np.zeros(x.shape, dtype=np.bool_))
    rounder = Rounder(boundnet.build(name="binary32"))
    used: list[Any] = []
    monkeypatch.setattr(chains, "chain_bound", lambda *a: used.append(a) or chain_bound(*a))
    slow = OPS[name].local(rounder, tensor)
    assert not used
    monkeypatch.setattr(chains, "ENOUGH", 1)
    fast = OPS[name].local(rounder, tensor)
    assert len(used) == 2, "our float64 and the machine's arithmetic"
    np.testing.assert_allclose(fast.rounding, slow.rounding, rtol=1e-12)


@pytest.mark.parametrize("family", ["batch_norm", "scale_shift", "standardize"])
def test_no_execution_escapes(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle of every op, with the kernel in use."""
    monkeypatch.setattr(chains, "ENOUGH", 1)

    @seed(5)
    @settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(arithmetics(), st.integers(0, 2**31), st.booleans())
    def run(arithmetic: Arithmetic, number: int, spread: bool) -> None:
        draw = Draw(arithmetic, number)
        op, shapes = CASES[family](draw)
        xs = [draw.stored(1, *shape) for shape in shapes]
        check_bound(op, xs, arithmetic, radius=[draw.radius(x) for x in xs] if spread else None, seed=number % 2**31)

    run()


def test_what_is_no_chain_takes_the_general_way() -> None:
    square, both = (lambda m, x, p: m.mul(x, x)), (lambda m, x, p: m.add(m.function("tanh", x), p))
    branch = lambda m, x, p: m.where(x, 0.0, x, p)  # noqa: E731
    inverse = lambda m, x, p: m.div(p, x)  # noqa: E731
    for program in (square, both, branch, inverse, lambda m, x, p: p):
        assert chains_of(OWN, [program], (4, C), [W]) is None
    add = [lambda m, x, p: m.sub(p, x)]
    assert chains_of(OWN, add, (4, C), [W]) is not None
    assert chains_of(OWN, add, (C, 4), [W.reshape(C, 1)]) is None, "weights along another axis"
    assert chains_of(boundnet.build(name="fixed(8,8)"), add, (4, C), [W]) is None


def test_unit_in_the_first_place() -> None:
    """Rump's two products give ufp: with unit 1 and nothing else, one rounding of t is at most ufp(t)."""
    t = np.concatenate([RNG.uniform(1, 2, 200) * 2.0 ** RNG.integers(-1000, 890, 200), 2.0 ** np.arange(-1022.0, 890.0, 7)])
    t = np.concatenate([t, np.nextafter(t, np.inf), np.nextafter(t, 0.0)])
    ours = np.array([kernels._one_rounding(value, 1.0, 1e300, 0.0) if value > 2.0**-1000 else ufp(value) for value in t])
    np.testing.assert_array_equal(ours, ufp(t))
