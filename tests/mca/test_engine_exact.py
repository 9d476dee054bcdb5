"""The engine's deterministic formats bit for bit: exact rationals, ml_dtypes, binary32 of NumPy."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from helpers.rationals import rounded

from boundnet import ops
from boundnet.arithmetic import SEQUENTIAL, Arithmetic, parse_order
from boundnet.arithmetic.formats import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    BINARY64,
    E4M3FN,
    E5M2,
    TF32,
    Format,
    fixed_format,
    float_format,
)
from boundnet.errors import FormatError
from boundnet.graph import LayerGraph
from boundnet.mca.engine.gather import gather
from boundnet.mca.engine.machine import EngineMachine
from boundnet.mca.engine.run import execute
from boundnet.mca.engine.settle import settled
from boundnet.numerics.accuracy import CORRECT

FORMATS = [BINARY32, BINARY16, BFLOAT16, TF32, E4M3FN, E5M2, float_format(3, 4), float_format(25, 9), float_format(40, 9),
           float_format(51, 9), fixed_format(4, 5), fixed_format(3, 20), fixed_format(20, 25)]  # fmt: skip


def machine(fmt: Format, lanes: int, **changes: object) -> EngineMachine:
    rules = Arithmetic("t", fmt, fmt, SEQUENTIAL, "no", subnormals="gradual", bias="last")
    return EngineMachine(settled(Arithmetic(**{**vars(rules), **changes})), np.arange(lanes, dtype=np.uint64), 0)


def values(fmt: Format, count: int, seed: int) -> np.ndarray:
    """Numbers of the format of all sizes: ordinary, subnormal, huge, near ties, zeros."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    scale = rng.integers(5, size=count)
    small, large = fmt.smallest_subnormal * 9, fmt.largest**0.5
    x = np.select(
        [scale == 0, scale == 1, scale == 2, scale == 3], [x * small, x * large, np.rint(x * 4) / 2, x * fmt.largest / 3], x
    )
    return fmt.round(np.clip(x, -fmt.largest, fmt.largest), "toward_zero")


@pytest.mark.parametrize("toward_zero", [False, True])
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
def test_operations_against_rationals(fmt, toward_zero):
    m = machine(fmt, 1, rounding="toward_zero" if toward_zero else "nearest")
    a, b = values(fmt, 500, 1), values(fmt, 500, 2)
    b = np.where(b == 0.0, 1.0, b)
    exact = {"add": Fraction.__add__, "sub": Fraction.__sub__, "mul": Fraction.__mul__, "div": Fraction.__truediv__}
    for name, operation in exact.items():
        found = getattr(m, name)(a[None], b[None])[0]
        wanted = [rounded(operation(Fraction(x), Fraction(y)), fmt, toward_zero) for x, y in zip(a, b, strict=True)]
        assert np.array_equal(found, wanted, equal_nan=True), name


@pytest.mark.parametrize("fmt", [BINARY32, BFLOAT16, E4M3FN, fixed_format(4, 5)], ids=lambda f: f.name)
@pytest.mark.parametrize("fused", [False, True])
def test_sums_of_products_against_rationals(fmt, fused):
    rng = np.random.default_rng(3)
    kernel, bias = fmt.round(rng.normal(size=(7, 4))), fmt.round(rng.normal(size=4))
    op, x = ops.Dense(kernel, bias), fmt.round(rng.normal(size=(5, 7)))
    m = machine(fmt, 5, fma="yes" if fused else "no")
    found = op.evaluate(m, x)
    for n, j in np.ndindex(found.shape):
        total = 0.0
        for k in range(7):
            product = Fraction(x[n, k]) * Fraction(kernel[k, j])
            term = product if fused else Fraction(rounded(product, fmt))
            total = rounded(Fraction(total) + term, fmt)
        assert found[n, j] == rounded(Fraction(total) + Fraction(bias[j]), fmt)


@pytest.mark.parametrize(
    ("fmt", "kind"),
    [
        (BFLOAT16, ml_dtypes.bfloat16),
        (E4M3FN, ml_dtypes.float8_e4m3fn),
        (E5M2, ml_dtypes.float8_e5m2),
        (BINARY16, np.float16),
    ],
)
def test_casts_against_ml_dtypes_from_float32(fmt, kind):
    rng = np.random.default_rng(4)
    # All exponents of binary32, and every bit pattern that is a value or a tie of the narrow format.
    x = rng.integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    edge = (
        rng.integers(0, 2**16, 50_000).astype(np.uint32) << 16
        | rng.choice([0, 0x7FFF, 0x8000, 0x8001], 50_000).astype(np.uint32)
    ).view(np.float32)
    with np.errstate(over="ignore"):
        past = np.float32(fmt.largest) * np.float32([1, 1.03, 1.0357, 1.04, 1.07, -1.04])
    x = np.concatenate([x, edge, past])
    x = x[np.isfinite(x)]
    m = EngineMachine(Arithmetic("t", fmt, BINARY32, SEQUENTIAL, "no", subnormals="gradual"), np.zeros(1, np.uint64), 0)
    with np.errstate(all="ignore"):
        wanted = x.astype(kind).astype(np.float64)
    assert np.array_equal(m.store(x.astype(np.float64)[None])[0], wanted, equal_nan=True)


def test_binary32_is_numpys():
    rng = np.random.default_rng(5)
    x, w = rng.normal(size=(3, 50)).astype(np.float32), rng.normal(size=(50, 8)).astype(np.float32)
    total = np.zeros((3, 8), np.float32)
    for k in range(50):
        total = total + x[:, k, None] * w[k]
    found = ops.Dense(w.astype(np.float64)).evaluate(machine(BINARY32, 3), x.astype(np.float64))
    assert np.array_equal(found, total.astype(np.float64))


def test_binary64_is_numpys():
    rng = np.random.default_rng(6)
    x, w = rng.normal(size=(3, 50)), rng.normal(size=(50, 8))
    total = np.zeros((3, 8))
    for k in range(50):
        total = total + x[:, k, None] * w[k]
    assert np.array_equal(ops.Dense(w).evaluate(machine(BINARY64, 3), x), total)


MAPS = {
    "dense": (ops.Dense(np.random.default_rng(0).normal(size=(5, 3))), (2, 5)),
    "batch": (ops.BatchMatMul(np.random.default_rng(1).normal(size=(2, 3, 4))), (3, 2, 3)),
    "conv": (ops.Conv(np.random.default_rng(2).normal(size=(3, 2, 2, 5)), padding=((1, 1), (0, 1)), strides=(2, 1)), (6, 5, 2)),
    "grouped": (ops.Conv(np.random.default_rng(3).normal(size=(3, 2, 6)), groups=2, dilation=(2,), padding=((2, 0),)), (7, 4)),
    "depthwise": (ops.Conv(np.random.default_rng(4).normal(size=(2, 1, 6)), groups=3), (5, 3)),
    "transposed": (ops.ConvTranspose(np.random.default_rng(5).normal(size=(3, 2, 2, 4)), strides=(2, 3), crop=((1, 0), (0, 1))), (3, 2, 4)),
    "transposed groups": (ops.ConvTranspose(np.random.default_rng(6).normal(size=(3, 2, 4)), strides=(2,), groups=2), (4, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("order", ["sequential", "pairwise(3)", "blocked(2)"])
def test_every_map_sums_its_leaves_in_order(name, order):
    """The index tables against the maps' own leaves, which other tests compare with Keras; padding skipped in both."""
    op, shape = MAPS[name]
    x = BINARY32.round(np.random.default_rng(7).normal(size=(2, *shape)))
    m = machine(BINARY32, 2, order=parse_order(order))
    linear = op.linear(shape)
    assert gather(linear) is not None
    assert np.array_equal(op.evaluate(m, x), m.store(m._generic(linear, x, None, 0)))


def small_network() -> LayerGraph:
    rng = np.random.default_rng(8)
    graph = LayerGraph("small")
    node = graph.add("x", ops.Input((6, 6, 2)))
    node = graph.add("c", ops.Conv(rng.normal(size=(3, 3, 2, 4)), rng.normal(size=4), padding=((1, 1), (1, 1))), [node])
    node = graph.add(
        "n", ops.BatchNorm(rng.normal(size=4), np.abs(rng.normal(size=4)), rng.normal(size=4), rng.normal(size=4)), [node]
    )
    node = graph.add("p", ops.AveragePool((2, 2)), [node])
    node = graph.add("l", ops.LayerNorm(rng.normal(size=4), rng.normal(size=4)), [node])
    node = graph.add("f", ops.Reshape((36,)), [node])
    node = graph.add("d", ops.Dense(rng.normal(size=(36, 3)), rng.normal(size=3)), [node])
    node = graph.add("s", ops.Softmax(0), [node])
    graph.set_outputs([node])
    return graph


@pytest.mark.parametrize("perturbation", ["rr(24)", "rr(11)", "pb(16)", "mca(24)", "stochastic"])
def test_runs_depend_on_the_seed_and_not_on_chunks_or_threads(perturbation):
    import numba

    from boundnet.mca.backend import Job, Sampling, backend

    graph = small_network()
    x = BINARY32.round(np.random.default_rng(9).normal(size=(5, 6, 6, 2)))
    mode, _, t = perturbation.rstrip(")").partition("(")

    def run(samples, seed, first, part):
        job = Job(graph, None, Arithmetic("binary32"), (Sampling(samples, mode, int(t or 24), seed),))
        (execution,) = backend("builtin").executions(job)
        return dict(execution.run([part], first))

    whole = run(7, 1, 0, x)
    assert np.array_equal(run(4, 1, 2, x[2:4])["s"], whole["s"][:4, 2:4])
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        again = run(7, 1, 0, x)
    finally:
        numba.set_num_threads(threads)
    assert all(np.array_equal(again[name], whole[name]) for name in whole)
    assert not np.array_equal(run(7, 2, 0, x)["s"], whole["s"])
    assert len({whole["d"][i].tobytes() for i in range(7)}) == 7
    assert len({whole["n"][i, 0].tobytes() for i in range(7)}) == 7
    assert np.abs(whole["s"] - graph.evaluate([x])["s"]).max() < 0.1


def test_stochastic_rounding_is_unbiased_and_takes_neighbours():
    m = machine(BFLOAT16, 1, rounding="stochastic")
    x = np.full((1, 40_000), 1.0 + 2.0**-9)  # a quarter of the way between 1 and 1 + 2**-7
    found = m.add(x, np.zeros_like(x))
    assert set(np.unique(found)) == {1.0, 1.0 + 2.0**-7}
    share = np.mean(found > 1.0)
    assert abs(share - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 40_000)
    tiny = np.full((1, 40_000), BFLOAT16.smallest_subnormal * 2.5)
    share = np.mean(m._rounded(tiny, m._storage) > tiny)
    assert abs(share - 0.5) < 5 * np.sqrt(0.25 / 40_000)


@pytest.mark.parametrize("mode", ["rr", "pb", "mca"])
def test_noise_has_the_size_and_mean_it_should(mode):
    from boundnet.arithmetic.perturbation import Perturbation

    t, n = 10, 100_000
    m = machine(BINARY32, 1, perturbation=Perturbation(mode, t))
    product = m.mul(np.full((1, n), 1.5 + 2.0**-12), np.full((1, n), 1.25))
    off = product - (1.5 + 2.0**-12) * 1.25
    # Uniform noise of width 2**(1 - t) relative to the power of two below each perturbed number (1.5, 1.25 and 1.875).
    width = 2.0 ** (1 - t)
    variance = {"rr": 1.0, "pb": 1.25**2 + 1.5**2, "mca": 1.25**2 + 1.5**2 + 1.0}[mode] * width**2 / 12
    assert abs(off.std() / np.sqrt(variance) - 1.0) < 0.02
    assert abs(off.mean()) < 5 * np.sqrt(variance / n)
    limit = {"rr": 0.5, "pb": 0.5 * (1.25 + 1.5), "mca": 0.5 * (1.25 + 1.5 + 1.0)}[mode] * width
    assert np.abs(off).max() <= limit * 1.01
    assert np.array_equal(m.mul(np.zeros((1, 4)), np.ones((1, 4))), np.zeros((1, 4)))


def test_what_t_bits_hold_stays_in_mode_rr():
    from boundnet.arithmetic.perturbation import Perturbation

    m = machine(BINARY32, 1, perturbation=Perturbation("rr", 11))
    x = np.full((1, 1000), 1.25)
    assert np.all(m.add(x, x) == 2.5)
    assert len(np.unique(m.add(x, x + 2.0**-20))) > 100


def test_overflow_and_infinities():
    m = machine(E4M3FN, 1)
    assert np.isnan(m.mul(np.array([[448.0]]), np.array([[2.0]])))
    assert machine(BINARY32, 1).mul(np.array([[3e38]]), np.array([[-2.0]])) == -np.inf
    assert machine(fixed_format(4, 5), 1).mul(np.array([[15.0]]), np.array([[-15.0]])) == -fixed_format(4, 5).largest


@pytest.mark.parametrize(
    "rules",
    [
        Arithmetic("t", BINARY64, BINARY64, rounding="stochastic"),
        Arithmetic("t", float_format(40, 9), float_format(40, 9), rounding="stochastic"),
        Arithmetic("t", float_format(11, 11), float_format(11, 11)),
        Arithmetic("t", float_format(51, 10), float_format(51, 10)),
        Arithmetic("t", fma="yes", rounding="stochastic"),
        Arithmetic("t", functions=CORRECT),
    ],
)
def test_what_the_engine_cannot_run_is_refused(rules):
    with pytest.raises(FormatError, match="built-in engine"):
        settled(rules)


def test_flushing():
    rules = Arithmetic("t", subnormals="ftz", order=SEQUENTIAL, fma="no")
    m = EngineMachine(settled(rules), np.zeros(1, np.uint64), 0)
    assert m.mul(np.array([[2.0**-100]]), np.array([[2.0**-30]])) == 0.0
    values_ = dict(execute(small_network(), [np.zeros((1, 6, 6, 2))], settled(rules), 1, 0))
    assert np.isfinite(values_["s"]).all()
