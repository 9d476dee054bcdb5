"""Speed of the built-in engine: nanoseconds per operation and sample, and the digits network end to end.

uv run python benchmarks/engine.py [MODEL INPUTS.npz]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numba
import numpy as np

from boundnet.arithmetic.formats import BFLOAT16, BINARY32, Format
from boundnet.mca.backend import Sampling
from boundnet.mca.engine import kernels
from boundnet.mca.engine.scalars import spec
from boundnet.mca.sample import sample
from boundnet.numerics.philox import key_of

LEAVES, OUTPUTS, LANES = 256, 64, 1024


def inner(mode: int, fmt: Format, t: int = 24) -> Callable[[], None]:
    """A dense layer of LEAVES inputs and OUTPUTS outputs for LANES runs."""
    rng = np.random.default_rng(0)
    x = np.ascontiguousarray(fmt.round(rng.normal(size=(LEAVES, LANES))))
    plan = (
        np.zeros((1, 1), np.int64),
        np.zeros(1, np.int64),
        fmt.round(rng.normal(size=(1, LEAVES, OUTPUTS))),
        LEAVES,
        OUTPUTS,
    )
    draw = (np.arange(LANES, dtype=np.uint64), 0, 0, key_of(1))
    out, bias = np.empty((OUTPUTS, LANES)), np.zeros(OUTPUTS)
    scale, keep = 2.0 ** (1 - t - 32), np.uint64((1 << (53 - t)) - 1)
    return lambda: kernels.inner(mode, False, True, x, out, plan, (0, LEAVES), bias, 2, draw, spec(fmt), scale, keep)


def main() -> None:
    """Print the table."""
    cases = [("binary32 to nearest", kernels.NEAREST, BINARY32), ("bfloat16 to nearest", kernels.NEAREST, BFLOAT16),
             ("bfloat16 stochastic", kernels.STOCHASTIC, BFLOAT16), ("binary32 rr(24)", kernels.RR, BINARY32),
             ("binary32 pb(24)", kernels.PB, BINARY32), ("binary32 mca(24)", kernels.MCA, BINARY32)]  # fmt: skip
    threads = numba.get_num_threads()
    print(f"| operations | ns per operation and sample, {threads} threads | ns of processor time |\n| --- | --- | --- |")
    for name, mode, fmt in cases:
        run = inner(mode, fmt)
        run()
        # The least of many: other work on the machine only adds.
        best = min(_timed(run) for _ in range(30))
        own = min(_timed(run, time.process_time) for _ in range(10))
        operations = 2 * LEAVES * OUTPUTS * LANES
        print(f"| {name} | {best / operations * 1e9:.2f} | {own / operations * 1e9:.2f} |", flush=True)
    if len(sys.argv) == 3:
        inputs = np.load(sys.argv[2])["inputs"][:100]
        seconds = _timed(lambda: sample(sys.argv[1], inputs, sampling=Sampling(100, "rr", 24)))
        print(f"\n100 rr samples of 100 inputs, significant digits counted: {seconds:.1f} s")


def _timed(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    run()
    return clock() - started


if __name__ == "__main__":
    main()
