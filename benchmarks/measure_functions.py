"""How far TensorFlow's float32 elementary functions are from the exact ones, over float32 numbers of all sizes.

    uv run python benchmarks/measure_functions.py [--stride 101] [--functions exp tanh] [--modes eager xla tail]

Three ways to the same function: ``eager`` on large arrays (vector code), ``tail`` on arrays of 1 to 7 values (the scalar
code that finishes what does not fill a vector register), ``xla`` inside ``tf.function(jit_compile=True)``.  The exact value
is binary64's, 2**29 times finer.  Two measures: k = |error| / (2 u |y|), the one that :mod:`boundnet.numerics.accuracy`
states, and classical ulp, |error| / ulp(y).  Both over results of normal size from operands of normal size.  Subnormal
operands are counted where the answer is off by more than reading them as zero explains for a slope of at most 1.2 (log,
sqrt and rsqrt are steeper near 0), subnormal results by their largest error in eta = 2**-149 and by how many were flushed
to zero.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import numpy.typing as npt
from scipy import special

from boundnet.numerics.accuracy import FUNCTIONS, X86_FLOAT32

Array = npt.NDArray[Any]
CHUNK = 1 << 20
TAIL_POINTS = 200_000
LEAST_NORMAL = 2.0**-126
ETA = 2.0**-149


def _sigmoid(x: Array) -> Array:
    t = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, t) / (1.0 + t)


EXACT: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "erf": special.erf,
    "softplus": lambda x: np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))),
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
}

DENSE = {
    "exp": (-88.0, 0.0, 88.5),
    "expm1": (-17.5, -0.5, 0.0, 0.5, 88.5),
    "log": (1.0, 0.7071, 1.4142),
    "log1p": (-0.7, -0.3, 0.0, 0.4142, 1.0),
    "tanh": (-9.0, -0.625, 0.0, 0.0004, 0.625, 9.0),
    "sigmoid": (-90.0, -88.0, -18.0, -9.0, 0.0, 9.0, 16.6, 18.0),
    "erf": (-4.0, -1.0, 0.0, 0.5, 1.0, 4.0),
    "softplus": (-88.0, -14.0, -13.94, 0.0, 13.94, 14.0),
    "sqrt": (1.0, 2.0),
    "rsqrt": (1.0, 2.0),
}
"""Points about which every float32 number is tried: zeros, thresholds of known code, ends of the range."""


@dataclass
class Worst:
    """Running maxima of one function in one mode."""

    points: int = 0
    relative: float = 0.0
    at: float = 0.0
    ulp: float = 0.0
    subnormal: float = 0.0
    flushed: int = 0
    operands: int = 0
    wrong: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, x: Array, computed: Array, exact: Array) -> None:
        """x, computed: float32 of the same shape; exact: float64."""
        self.points += len(x)
        usable = np.isfinite(exact) & (np.abs(exact) < np.finfo(np.float32).max)
        x, y, got = x[usable], exact[usable], computed[usable].astype(np.float64)
        error = np.where(np.isnan(got), np.inf, np.abs(got - y))
        tiny_operand = (np.abs(x) < LEAST_NORMAL) & (x != 0.0)
        self.operands += int((tiny_operand & (error > 1.2 * LEAST_NORMAL + 2.0**-21 * np.abs(y))).sum())
        tiny = np.abs(y) < LEAST_NORMAL
        zeroed = tiny & (got == 0.0) & (y != 0.0)
        self.flushed += int(zeroed.sum())
        kept = tiny & ~zeroed & ~tiny_operand
        self.subnormal = max(self.subnormal, float(np.max(error[kept], initial=0.0)) / ETA)
        normal = ~tiny & ~tiny_operand
        if not normal.any():
            return
        y, got, error, x = (part[normal] for part in (y, got, error, x))
        relative = error / (np.abs(y) * 2.0**-23)
        _, exponent = np.frexp(y)
        worst = int(np.argmax(relative))
        if relative[worst] > self.relative:
            self.relative, self.at = float(relative[worst]), float(x[worst])
        self.ulp = max(self.ulp, float(np.max(error / np.ldexp(1.0, exponent - 24))))
        for i in np.flatnonzero(relative > 1000.0)[: max(0, 3 - len(self.wrong))]:
            self.wrong.append((float(x[i]), float(got[i]), float(y[i])))


def operands(name: str, stride: int) -> Iterator[Array]:
    """float32 numbers: every ``stride``-th bit pattern, and all of them near the points of :data:`DENSE`."""
    bits: Array
    for start in range(0, 1 << 32, stride * CHUNK):
        bits = np.arange(start, min(start + stride * CHUNK, 1 << 32), stride, dtype=np.uint64).astype(np.uint32)
        yield _wanted(bits.view(np.float32))
    for point in DENSE[name]:
        middle = int(np.float32(point).view(np.uint32))
        bits = np.arange(max(0, middle - CHUNK // 2), middle + CHUNK // 2, dtype=np.uint64).astype(np.uint32)
        yield _wanted(bits.view(np.float32))


def _wanted(x: Array) -> Array:
    return x[np.isfinite(x)]


def calls(mode: str) -> dict[str, Callable[[Array], Array]]:
    """The framework's functions, NumPy arrays in and out."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    found = {
        "exp": tf.exp, "expm1": tf.math.expm1, "log": tf.math.log, "log1p": tf.math.log1p, "tanh": tf.tanh,
        "sigmoid": tf.sigmoid, "erf": tf.math.erf, "softplus": tf.math.softplus, "sqrt": tf.sqrt, "rsqrt": tf.math.rsqrt,
    }  # fmt: skip

    def plain(function: Any) -> Callable[[Array], Array]:
        used = tf.function(function, jit_compile=True, reduce_retracing=True) if mode == "xla" else function

        def whole(x: Array) -> Array:
            # XLA compiles for each shape: always the same one.
            padded = np.ones(CHUNK, np.float32)
            padded[: len(x)] = x
            result: Array = used(tf.constant(padded)).numpy()[: len(x)]
            return result

        def tails(x: Array) -> Array:
            parts, at = [], 0
            while at < len(x):
                size = 1 + at % 7
                parts.append(used(tf.constant(x[at : at + size])).numpy())
                at += size
            return np.concatenate(parts)

        return tails if mode == "tail" else whole

    return {name: plain(function) for name, function in found.items()}


def measure(name: str, mode: str, function: Callable[[Array], Array], stride: int, seed: int = 0) -> Worst:
    """Largest errors of ``function`` over :func:`operands`."""
    worst = Worst()
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        chunks: Iterator[Array] = operands(name, stride)
        if mode == "tail":
            half = TAIL_POINTS // 2
            wide = rng.integers(0, 1 << 32, half, dtype=np.uint64).astype(np.uint32).view(np.float32)
            near = (rng.standard_normal(half) * rng.choice([0.1, 1.0, 10.0, 50.0], half)).astype(np.float32)
            chunks = iter([_wanted(np.concatenate([wide, near]))])
        for x in chunks:
            exact = EXACT[name](x.astype(np.float64))
            defined = ~np.isnan(exact)
            if defined.any():
                worst.add(x[defined], function(x[defined]), exact[defined])
    return worst


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description="Accuracy of TensorFlow's float32 elementary functions on this CPU.")
    parser.add_argument("--stride", type=int, default=101, help="take every so many-th float32 number [101]; 1 takes all")
    parser.add_argument("--functions", nargs="+", default=list(FUNCTIONS), choices=FUNCTIONS)
    parser.add_argument("--modes", nargs="+", default=["eager", "tail", "xla"], choices=["eager", "tail", "xla"])
    chosen = parser.parse_args()
    print("| function | mode | points | k | at x | ulp | subnormal results | assumed |")
    print("| --- | --- | ---: | ---: | ---: | ---: | --- | ---: |")
    for mode in chosen.modes:
        table = calls(mode)
        for name in chosen.functions:
            w = measure(name, mode, table[name], chosen.stride)
            notes = [f"kept ones within {w.subnormal:.3g} eta"] if w.subnormal else []
            notes += [f"{w.flushed:,} flushed"] if w.flushed else []
            notes += [f"{w.operands:,} wrong for subnormal operands"] if w.operands else []
            small = "; ".join(notes) or "-"
            print(f"| {name} | {mode} | {w.points:,} | {w.relative:.4g} | {w.at:.9g} | {w.ulp:.4g} | {small} | "
                  f"{X86_FLOAT32.of(name):g} |", flush=True)  # fmt: skip
            for x, got, y in w.wrong:
                print(f"  far off: {name}({x!r}) = {got!r}, exact {y!r}", flush=True)


if __name__ == "__main__":
    main()
