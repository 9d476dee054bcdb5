"""Running bounds under Monte Carlo Arithmetic: executions with the worst noise, in exact rationals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from helpers.mutation import mutate
from helpers.rationals import rounded

from boundnet import ops
from boundnet.arithmetic import Arithmetic, Order, parse_order
from boundnet.arithmetic.formats import BFLOAT16, BINARY32, Format
from boundnet.arithmetic.perturbation import Mode, Perturbation
from boundnet.kernels import perturbed, running
from boundnet.roundoff import running_bound
from boundnet.roundoff.inner_product import perturbed_bound
from boundnet.roundoff.running_bound import running_bounds
from boundnet.roundoff.sums import Sum

ORDERS = ["sequential", "blocked(4)", "pairwise", "pairwise(3)"]
PATTERNS = ("up", "down", "away", "inward", "random", "none")
MODES: tuple[Mode, ...] = ("rr", "pb", "mca")


def rules_of(mode: Mode, t: int, order: str = "sequential", fmt: Format = BFLOAT16) -> Arithmetic:
    return Arithmetic(
        "t", fmt, fmt, parse_order(order), "no", subnormals="gradual", bias="last", perturbation=Perturbation(mode, t)
    )


class Machine:
    """Parker's operations with noise as large as the mode allows, leaning one way; no binary64 in between."""

    def __init__(self, rules: Arithmetic, pattern: str, seed: int) -> None:
        assert rules.perturbation is not None
        self.mode, self.t, self.fmt = rules.perturbation.mode, rules.perturbation.precision, rules.accumulate
        self.pattern, self.rng = pattern, np.random.default_rng(seed)

    def inexact(self, x: Fraction) -> Fraction:
        if x == 0 or self.pattern == "none":
            return x
        exponent = abs(x.numerator).bit_length() - x.denominator.bit_length()
        exponent -= abs(x) < Fraction(2) ** exponent
        sign = 1 if x > 0 else -1
        lean = {"up": 1, "down": -1, "away": sign, "inward": -sign, "random": int(self.rng.choice([-1, 1]))}[self.pattern]
        return x + lean * Fraction(2) ** (exponent - self.t)

    def result(self, x: Fraction) -> Fraction:
        held = (x.numerator >> max(_zeros(x.numerator), 0)).bit_length() <= self.t and _is_power(x.denominator)
        if self.mode == "mca" or (self.mode == "rr" and not held):
            x = self.inexact(x)
        return Fraction(rounded(x, self.fmt))

    def operand(self, x: Fraction) -> Fraction:
        return x if self.mode == "rr" else self.inexact(x)

    def add(self, a: Fraction, b: Fraction) -> Fraction:
        return self.result(self.operand(a) + self.operand(b))

    def run(self, leaves: list[Fraction]) -> Fraction:
        total = Fraction(0)
        for leaf in leaves:
            total = self.add(total, leaf)
        return total

    def sum(self, leaves: list[Fraction], order: Order) -> Fraction:
        """The leaves in ``order``, every accumulator from zero."""
        if order.kind == "sequential":
            return self.run(leaves)
        if order.kind == "blocked":
            return self.run([self.run(leaves[i : i + order.size]) for i in range(0, len(leaves), order.size)])
        runs = -(-len(leaves) // order.size)
        if runs <= 1:
            return self.run(leaves)
        middle = -(-runs // 2) * order.size
        return self.add(self.sum(leaves[:middle], order), self.sum(leaves[middle:], order))


def _zeros(n: int) -> int:
    return (n & -n).bit_length() - 1 if n else 0


def _is_power(n: int) -> bool:
    return n & (n - 1) == 0


def data(kind: str, n: int, seed: int, fmt: Format) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and weights, values of the format."""
    rng = np.random.default_rng(seed)
    x, w = rng.uniform(0.5, 2.0, n), rng.uniform(0.5, 2.0, n)
    if kind == "alternating":
        x = x * (-1.0) ** np.arange(n)
    elif kind == "zeros":
        x = np.where(rng.random(n) < 0.7, 0.0, x * rng.choice([-1, 1], n))
    elif kind == "one":
        x = np.where(np.arange(n) == 0, x, 0.0)
    elif kind == "units":
        x = rng.choice([0.0, 1.0, -1.0, 2.0], n)
    elif kind == "subnormal":
        x = x * fmt.smallest_subnormal * 3.0
    return fmt.round(x), fmt.round(w)


def excess(rules: Arithmetic, kind: str, n: int, seeds: int, bias: float = 0.0) -> float:
    """Largest error / bound over executions of data of this kind: above 1 where a bound is wrong."""
    worst = 0.0
    for seed in range(seeds):
        x, w = data(kind, n, seed, rules.accumulate)
        terms = Sum(ops.Dense(w[:, None]).linear((n,)), x[None], np.zeros((1, n)), x[None] != 0.0, np.array([bias]))
        found = running_bounds(terms, rules)
        assert found.biased is not None
        pairs = list(zip(map(Fraction, x), map(Fraction, w), strict=True))
        exact = sum((a * b for a, b in pairs), Fraction(0))
        for pattern in PATTERNS:
            machine = Machine(rules, pattern, seed)
            total = machine.sum([machine.result(machine.operand(a) * machine.operand(b)) for a, b in pairs], rules.order)
            worst = max(worst, _ratio(total - exact, found.alone))
            worst = max(worst, _ratio(machine.add(total, Fraction(bias)) - exact - Fraction(bias), found.biased))
    return worst


def _ratio(error: Fraction, bound: np.ndarray) -> float:
    claimed = float(bound.reshape(-1)[0])
    if abs(error) <= Fraction(claimed):
        return float(abs(error) / Fraction(claimed)) if claimed else 0.0
    return 1.0 + 1e-9 + (float(abs(error) / Fraction(claimed)) if claimed else 1.0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("mode", MODES)
def test_the_worst_noise_stays_inside(mode: Mode, order: str) -> None:
    for t in (3, 8, 11):
        for kind in ("growing", "alternating", "zeros", "one", "units", "subnormal"):
            n = 1 if kind == "one" else 13
            assert excess(rules_of(mode, t, order), kind, n, 2, bias=0.75) <= 1.0, (t, kind)


@pytest.mark.parametrize("mode", MODES)
def test_bounds_are_nearly_attained(mode: Mode) -> None:
    """Noise that leans one way on growing sums comes close: the bound is no mere multiple."""
    assert excess(rules_of(mode, 5), "growing", 6, 5) > 0.5


@pytest.mark.parametrize("mode", MODES)
def test_known_orders_are_markedly_tighter_than_trees(mode: Mode) -> None:
    rng = np.random.default_rng(0)
    n, rules = 256, rules_of(mode, 24, fmt=BINARY32)
    x, w = BINARY32.round(rng.normal(size=(1, n))), BINARY32.round(rng.normal(size=(n, 4)))
    terms = Sum(ops.Dense(w).linear((n,)), x, np.zeros((1, n)), x != 0.0, None)
    tree = perturbed_bound(rules, n, terms.leaves, np.abs(x) @ np.abs(w), exact=terms.exact_stays(rules))
    # Operands' noise is relative to them and not to the sum: pb and mca gain less where terms cancel.
    assert np.all(running_bounds(terms, rules).alone <= (0.2 if mode == "rr" else 0.25) * tree)


def test_exact_operations_stay_exact_in_rr_with_enough_bits() -> None:
    """One-hot inputs: neither zeros nor products with 1 count, whatever their number."""
    rng = np.random.default_rng(1)
    w = BINARY32.round(rng.normal(size=(20, 3)))
    bounds = []
    for zeros in (0, 200):
        x = np.concatenate([np.ones(20), np.zeros(zeros)])[None]
        weights = np.concatenate([w, np.ones((zeros, 3))])
        terms = Sum(ops.Dense(weights).linear((20 + zeros,)), x, np.zeros(x.shape), x != 0.0, None)
        for t in (24, 23):
            bounds.append(running_bounds(terms, rules_of("rr", t, fmt=BINARY32)).alone.max())
    assert bounds[2] <= bounds[0] * (1.0 + 1e-9)
    assert bounds[3] > 2.0 * bounds[1]
    one = Sum(ops.Dense(w[:1]).linear((1,)), np.ones((1, 1)), np.zeros((1, 1)), np.ones((1, 1), bool), None)
    assert running_bounds(one, rules_of("rr", 24, fmt=BINARY32)).alone.max() < 2.0**-140
    # A weight that is cast may be kept wider by code that has the room: then the product is no exact one.
    cast = replace(one, noise=one.map.with_kernel(lambda k: np.abs(k) * 2.0**-30))
    assert running_bounds(cast, rules_of("rr", 24, fmt=BINARY32)).alone.max() > 2.0**-26


MUTANTS: list[tuple[str, Callable[..., object], str, str, tuple[Arithmetic, str, int]]] = [
    ("operands' noise", perturbed.addition, "return noise + less", "return less", (rules_of("pb", 5), "alternating", 6)),
    ("one operand's noise", perturbed.addition, "binade(a) + binade(b)", "binade(b)", (rules_of("pb", 5), "growing", 9)),
    ("result's noise", perturbed.addition, "+ less(relative * total, unit * binade(total))", "", (rules_of("rr", 5), "growing", 6)),
    ("underflow", running_bound._perturbed, "fmt.unit_roundoff, arithmetic.absolute(fmt)", "fmt.unit_roundoff, 0.0", (rules_of("rr", 7), "subnormal", 4)),
    ("products", perturbed.take, "error + own * present", "error", (rules_of("mca", 5), "growing", 2)),
    ("zeros", perturbed.take, "if any_ > 0.0", "if present > 0.0", (rules_of("pb", 5), "zeros", 13)),
    ("error so far", perturbed.held, "size * rules[4] + error + LEAST", "LEAST", (rules_of("rr", 1), "one", 20)),
    ("joins", perturbed.join, "inner + (rounding if any_ > 0.0 else 0.0)", "inner", (rules_of("rr", 5, "pairwise"), "growing", 8)),
    ("start of the block sums", perturbed.perturbed_errors, "if again and index == 0", "if False", (rules_of("pb", 3, "blocked(4)"), "growing", 1)),
    ("units where t bits are too few", Arithmetic.exact_stays.fget, "is None or", "is None or True or", (rules_of("rr", 5), "units", 13)),
    ("rr's noise in the ordinary kernel", running.add_leaf, "inner + (rounding", "inner + 0.4 * (rounding", (rules_of("rr", 8), "growing", 6)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "function", "old", "new", "attack"), MUTANTS, ids=[m[0] for m in MUTANTS])
def test_a_forgotten_term_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str, function: Callable[..., object], old: str, new: str,
    attack: tuple[Arithmetic, str, int],
) -> None:  # fmt: skip
    rules, kind, n = attack
    assert excess(rules, kind, n, 4) <= 1.0
    mutate(monkeypatch, function, old, new)
    assert excess(rules, kind, n, 4) > 1.0
