"""Compiled running bounds against the same recursion in NumPy, and every order against its brute-force execution."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from helpers.running_numpy import Reference

from boundnet import ops
from boundnet.arithmetic import Arithmetic, Order, parse_order
from boundnet.arithmetic.formats import BFLOAT16, BINARY16, BINARY32, BINARY64, E4M3FN, fixed_format
from boundnet.kernels.threads import set_threads
from boundnet.maps import LinearMap, SumMap, WindowSum
from boundnet.roundoff.running_bound import running_bounds, schedule
from boundnet.roundoff.sums import Sum

RNG = np.random.default_rng(5)
ORDERS = ["sequential", "blocked(1)", "blocked(3)", "blocked(100)", "pairwise", "pairwise(2)", "pairwise(3)"]


def some(*shape: int) -> np.ndarray:
    """Numbers of all sizes, zeros among them."""
    x = RNG.normal(size=shape) * 2.0 ** RNG.integers(-4, 3, size=shape)
    return np.where(RNG.random(shape) < 0.2, 0.0, x)


def conv(kernel: tuple[int, ...], shape: tuple[int, ...], **rest: object) -> LinearMap:
    return ops.Conv(some(*kernel), **rest).linear(shape)  # type: ignore[arg-type]


def deconv(kernel: tuple[int, ...], shape: tuple[int, ...], **rest: object) -> LinearMap:
    return ops.ConvTranspose(some(*kernel), **rest).linear(shape)  # type: ignore[arg-type]


MAPS: dict[str, Callable[[], LinearMap]] = {
    "dense": lambda: ops.Dense(some(7, 3)).linear((7,)),
    "dense, one output": lambda: ops.Dense(some(7, 1)).linear((7,)),
    "dense, 300 outputs": lambda: ops.Dense(some(5, 300)).linear((5,)),
    "dense on a grid": lambda: ops.Dense(some(5, 3)).linear((2, 4, 5)),
    "batch": lambda: ops.BatchMatMul(some(2, 3, 4)).linear((5, 2, 3)),
    "conv1d": lambda: conv((3, 2, 4), (7, 2), strides=(2,), padding=((1, 2),)),
    "conv2d, dilated": lambda: conv((2, 3, 2, 3), (5, 7, 2), strides=(2, 1), dilation=(1, 2), padding=((1, 0), (0, 2))),
    "groups": lambda: conv((2, 2, 2, 6), (4, 4, 6), groups=3, padding=((0, 1), (1, 0))),
    "groups, 300 outputs": lambda: conv((2, 2, 300), (3, 6), groups=3),
    "depthwise": lambda: conv((3, 3, 1, 4), (5, 5, 4), groups=4, padding=((1, 1), (1, 1))),
    "depthwise, 300 channels": lambda: conv((2, 1, 300), (3, 300), groups=300),
    "depthwise, multiplier 2": lambda: conv((2, 2, 1, 6), (4, 4, 3), groups=3),
    "one output per group": lambda: conv((2, 2, 3), (4, 6), groups=3),
    "transposed": lambda: deconv((3, 2, 2, 3), (3, 4, 3), strides=(2, 3), crop=((1, 0), (0, 1))),
    "transposed, groups": lambda: deconv((2, 2, 2, 6), (3, 3, 6), groups=3, strides=(2, 2)),
    "window sum": lambda: WindowSum((5, 4), 3, (2, 3), (2, 1), ((0, 1), (1, 1))),
    "sum": lambda: SumMap((3, 4, 2), 1),
}  # fmt: skip

PLAIN = Arithmetic("t", BFLOAT16, BFLOAT16, fma="no", subnormals="gradual")
RULES: dict[str, Arithmetic] = {
    "plain": PLAIN,
    "fused": replace(PLAIN, fma="yes"),
    "either, flushed": replace(PLAIN, fma="either", subnormals="either"),
    "ftz": replace(PLAIN, subnormals="ftz", rounding="any"),
    "e4m3": Arithmetic("e", E4M3FN, E4M3FN, fma="no", subnormals="gradual"),
    "mixed": Arithmetic("m", BFLOAT16, BINARY32, fma="yes", subnormals="ftz+daz", rounding="stochastic"),
    "binary64": Arithmetic("d", BINARY64, BINARY64, subnormals="gradual"),
    "fixed": Arithmetic("f", fixed_format(4, 5), fixed_format(8, 8), fma="no", subnormals="gradual"),
}


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def _threads(request: pytest.FixtureRequest) -> Iterator[None]:
    set_threads(request.param)
    yield
    set_threads(None)


def family(linear: LinearMap, rules: Arithmetic, seed: int) -> Sum:
    rng = np.random.default_rng(seed)
    x, products = some(2, *linear.input_shape), not isinstance(linear, WindowSum | SumMap)
    radius = np.abs(some(*x.shape)) * rng.choice([0.0, 2.0**-8, 1.0])
    if seed % 3 == 0:
        x, radius = x * 2.0**-130, radius * 2.0**-130
    nonzero = (x != 0.0) | (radius != 0.0)
    noise = linear.with_kernel(lambda w: np.abs(w) * 2.0**-9) if products and seed % 2 else None
    bias = None if not products else some(*linear.output_shape[-1:])
    return Sum(linear, x, radius, nonzero, bias, products, noise, None if bias is None else np.abs(bias) * 2.0**-9)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.usefixtures("_threads")
def test_kernels_follow_the_recursion(name: str, order: str) -> None:
    """Never below the recursion in exact arithmetic, and no more than rounding above it."""
    linear = MAPS[name]()
    for seed, (key, machine) in enumerate(RULES.items()):
        rules = replace(machine, order=parse_order(order))
        terms = family(linear, rules, seed)
        reference = Reference(terms, rules)
        # The reference rounds up more per step than the kernel: a hair above it on either side.
        near = 1.0 + 1e-9
        bounds = running_bounds(terms, replace(rules, bias="any"))
        assert_close(bounds.alone, reference.bound("none"), near, f"{key}, alone")
        if terms.bias is None:
            assert bounds.biased is None
            continue
        last = running_bounds(terms, replace(rules, bias="last")).biased
        assert last is not None
        assert bounds.biased is not None
        assert_close(last, reference.bound("last"), near, f"{key}, last")
        variants = ["last", "first", "outer"] if rules.order.kind == "blocked" else ["last", "first"]
        expected = np.maximum.reduce([reference.bound(variant) for variant in variants])
        assert_close(bounds.biased, expected, near, f"{key}, first")


def assert_close(ours: np.ndarray, theirs: np.ndarray, near: float, what: str) -> None:
    assert np.array_equal(ours == 0.0, theirs == 0.0), what
    off = ~((ours <= theirs * near) & (theirs <= ours * near))
    assert not off.any(), f"{what}: {ours[off][:3]} {theirs[off][:3]}"


@pytest.mark.parametrize("n", range(1, 40))
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_schedules_join_every_run_once(n: int, size: int) -> None:
    for kind in ("sequential", "blocked", "pairwise"):
        plan = schedule(Order(kind, size), n)  # type: ignore[arg-type]
        assert plan.merges.sum() == len(plan.merges) - 1
        assert np.all(np.cumsum(1 - plan.merges) >= 1), "no join without two accumulators"
        assert plan.run * (len(plan.merges) - 1) < n <= plan.run * len(plan.merges)
        # Joins and additions on the longest path never exceed the height that the order promises.
        depth: list[int] = []
        for i, joins in enumerate(plan.merges):
            depth.append(min(plan.run, n - i * plan.run) - 1)
            for _ in range(joins):
                right, left = depth.pop(), depth.pop()
                depth.append(max(left, right) + 1)
        assert depth[0] + 1 <= Order(kind, size).height(n)  # type: ignore[arg-type]


def test_infinite_and_nan_inputs_bound_nothing() -> None:
    linear = ops.Dense(np.ones((3, 2))).linear((3,))
    for radius in (np.inf, np.nan):
        e = np.array([[0.0, radius, 0.0]])
        terms = Sum(linear, np.ones((1, 3)), e, np.ones((1, 3), bool), np.ones(2))
        for order in ORDERS:
            bounds = running_bounds(terms, replace(PLAIN, order=parse_order(order)))
            assert np.all(np.isinf(bounds.alone))
            assert bounds.biased is not None
            assert np.all(np.isinf(bounds.biased))


# --- brute force ----------------------------------------------------------------------------------------------------------


def data(kind: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and weights that are hard for some order."""
    rng = np.random.default_rng(seed)
    x, w = rng.uniform(0.5, 1.0, size=n), rng.uniform(0.5, 1.0, size=n)
    if kind == "alternating":
        x = x * (-1.0) ** np.arange(n)
    elif kind == "powers":
        x, w = 2.0 ** rng.integers(-9, 4, size=n), 2.0 ** rng.integers(-3, 4, size=n) * rng.choice([-1, 1], size=n)
    elif kind == "cancelling":
        x = np.concatenate([x[: n // 2], -x[: n - n // 2]])
        w = np.concatenate([w[: n // 2], w[: n - n // 2]])
    elif kind == "subnormal":
        x = x * 2.0**-132
    elif kind == "large and small":
        x = np.where(np.arange(n) == n // 3, 200.0, x * 2.0**-7)
    return x, w


def executed(products: np.ndarray, order: Order, rounded: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Sums over the first axis, added literally in ``order`` with one rounding an addition."""

    def run(values: np.ndarray) -> np.ndarray:
        total = values[0]
        for value in values[1:]:
            total = rounded(total + value)
        return total

    def halves(values: np.ndarray) -> np.ndarray:
        runs = -(-len(values) // order.size)
        if runs <= 1:
            return run(values)
        middle = -(-runs // 2) * order.size
        return rounded(halves(values[:middle]) + halves(values[middle:]))

    if order.kind == "sequential":
        return run(products)
    if order.kind == "blocked":
        return run(np.array([run(products[i : i + order.size]) for i in range(0, len(products), order.size)]))
    return halves(products)


KINDS = ["growing", "alternating", "powers", "cancelling", "subnormal", "large and small"]
BRUTE_ORDERS = ["sequential", "blocked(4)", "blocked(16)", "pairwise", "pairwise(8)"]


@pytest.mark.parametrize("order", BRUTE_ORDERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", ["nearest", "up", "down", "toward_zero"])
def test_brute_force(order: str, kind: str, direction: str) -> None:
    """bfloat16 values: products and sums of two of them are exact in binary64, so every rounding is done once."""
    fmt, n, count = BFLOAT16, 61, 40
    rules = replace(PLAIN, order=parse_order(order), rounding="nearest" if direction == "nearest" else "any")
    rounded = lambda v: fmt.round(v, direction)  # noqa: E731
    pairs = [data(kind, n, seed) for seed in range(count)]
    x, w = (np.stack([fmt.round(pair[i]) for pair in pairs]) for i in (0, 1))
    exact = [sum(Fraction(a) * Fraction(b) for a, b in zip(*pair, strict=True)) for pair in zip(x, w, strict=True)]
    for fma in ("no", "yes"):
        if fma == "no":
            got = executed(rounded((x * w).T), rules.order, rounded)
        elif rules.order.kind != "sequential":
            continue
        else:
            got = rounded(x[:, 0] * w[:, 0])
            for k in range(1, n):
                got = rounded(x[:, k] * w[:, k] + got)
        for i in range(count):
            linear = ops.Dense(w[i][:, None]).linear((n,))
            terms = Sum(linear, x[i][None], np.zeros((1, n)), np.ones((1, n), bool), None)
            claimed = running_bounds(terms, replace(rules, fma=fma)).alone[0, 0]  # type: ignore[arg-type]
            assert abs(Fraction(got[i]) - exact[i]) <= Fraction(claimed)


@pytest.mark.parametrize("order", ["sequential", "blocked(16)", "pairwise(8)"])
def test_known_orders_are_markedly_tighter_than_heights(order: str) -> None:
    """Signs alternate: partial sums stay small, and the running bound knows."""
    rng = np.random.default_rng(0)
    n = 512
    x, w = BINARY16.round(rng.normal(size=(1, n))), BINARY16.round(rng.normal(size=(n, 4)))
    rules = Arithmetic("h", BINARY16, BINARY16, parse_order(order), fma="no", subnormals="gradual")
    terms = Sum(ops.Dense(w).linear((n,)), x, np.zeros((1, n)), x != 0.0, None)
    height = rules.order.height(n)
    by_height = np.expm1(height * rules.relative(BINARY16)) * (np.abs(x) @ np.abs(w))
    assert np.all(running_bounds(terms, rules).alone <= 0.5 * by_height)
