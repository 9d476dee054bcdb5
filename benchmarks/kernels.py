"""Speed of the linear maps that carry an analysis: `python benchmarks/kernels.py [probes]`, one line per layer.

GF counts multiplications and additions of the layer; GB counts one read of the input and one write of the output, both for
each second of processor time (all threads together), which other programs disturb less than elapsed time.  Threads follow
OMP_NUM_THREADS.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from boundnet import ops
from boundnet.maps import LinearMap, WeightedSelect, WindowSum
from boundnet.numerics.outward import Array

RNG = np.random.default_rng(0)


def conv(size: int, cin: int, cout: int, length: int, stride: int = 1, groups: int = 1) -> LinearMap:
    """A square convolution with Keras' "same" padding."""
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    pads = ((total // 2, total - total // 2),) * 2
    kernel = RNG.normal(size=(size, size, cin // groups, cout))
    return ops.Conv(kernel, strides=(stride, stride), groups=groups, padding=pads).linear((length, length, cin))


def pool(length: int, channels: int) -> LinearMap:
    """2x2 max pooling whose windows are all decided."""
    cells = ops.MaxPool((2, 2))._cells((length, length, channels))
    return WeightedSelect(cells, np.eye(4)[RNG.integers(4, size=(1, *cells.shape[:-1]))], (length, length, channels))


LAYERS: dict[str, Callable[[], LinearMap]] = {
    "1x1 64->128, 112x112": lambda: conv(1, 64, 128, 112),
    "1x1 stride 2 256->512, 56x56": lambda: conv(1, 256, 512, 56, 2),
    "3x3 stride 2 3->32, 224x224": lambda: conv(3, 3, 32, 224, 2),
    "3x3 64->64, 56x56": lambda: conv(3, 64, 64, 56),
    "3x3 512->512, 14x14": lambda: conv(3, 512, 512, 14),
    "3x3 64->64, 224x224": lambda: conv(3, 64, 64, 224),
    "7x7 stride 2 3->64, 224x224": lambda: conv(7, 3, 64, 224, 2),
    "3x3 128->128 in 32 groups, 56x56": lambda: conv(3, 128, 128, 56, groups=32),
    "depthwise 3x3 64, 112x112": lambda: conv(3, 64, 64, 112, groups=64),
    "depthwise 3x3 stride 2 64, 112x112": lambda: conv(3, 64, 64, 112, 2, groups=64),
    "global pooling 7x7x1024": lambda: WindowSum((7, 7), 1024, (7, 7), (1, 1), ((0, 0), (0, 0))),
    "max pooling 224x224x64": lambda: pool(224, 64),
    "padding 224x224x64": lambda: ops.Pad(((0, 1), (0, 1), (0, 0))).linear((224, 224, 64)),
    "dense 25088 -> 512": lambda: ops.Dense(RNG.normal(size=(25088, 512))).linear((25088,)),
}


def seconds(run: Callable[[], Array]) -> float:
    """Best of a few runs, a second at most."""
    best, spent = np.inf, 0.0
    while spent < 1.0:
        start = time.process_time()
        run()
        spent += (taken := time.process_time() - start)
        best = min(best, taken)
    return float(best)


def main() -> None:
    """Print a table."""
    probes = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    print(f"{probes} probes{'':30} {'apply':>22} {'transpose':>22} {'absolute':>22}")
    for name, make in LAYERS.items():
        if only not in name:
            continue
        linear = make()
        kernel = getattr(linear, "kernel", None)
        x, y = (RNG.normal(size=(probes, 1, *shape)) for shape in (linear.input_shape, linear.output_shape))
        flops, e = 0.0, np.abs(x)
        if kernel is not None:
            flops = 2.0 * y.size * kernel.size / kernel.shape[-1]
        size = 8e-9 * (x.size + y.size)
        cells = []
        for run, value in ((linear.apply, x), (linear.transpose, y), (linear.absolute, e)):
            run(value)
            taken = seconds(partial(run, value))
            cells.append(f"{flops * 1e-9 / taken:6.1f} GF {size / taken:5.1f} GB")
        print(f"{name:40} " + " ".join(f"{cell:>22}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
