"""Where programs of one variable are tried: all magnitudes, and every neighbour of the places where forms differ."""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DTYPES: dict[str, npt.DTypeLike] = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def points(count: int, breaks: Sequence[float], dtype: str = "float32", seed: int = 0) -> Array:
    """About ``count`` values of ``dtype``, held in float64, increasing and none twice.

    Log-uniform from 1e-30 to 100 with both signs; from 1e-8 to 3; uniform in [-20, 20]; close to 0; and the 25 numbers
    on either side of each of ``breaks``.
    """
    rng = np.random.default_rng(seed)
    part = max(count // 5, 20)
    sign = rng.choice([-1.0, 1.0], (2, part))
    drawn = [
        10.0 ** rng.uniform(-30.0, 2.0, part) * sign[0],
        10.0 ** rng.uniform(-8.0, 0.5, part) * sign[1],
        rng.uniform(-20.0, 20.0, part),
        np.linspace(-1e-3, 1e-3, part // 2),
        np.linspace(-3.5, 3.5, part),
        np.array([0.0, -0.0, 1.0, -1.0]),
    ]
    kind = np.dtype(DTYPES[dtype])
    near = [_neighbours(value, kind) for value in breaks]
    found = np.concatenate([values.astype(kind).astype(np.float64) for values in (*drawn, *near)])
    return np.unique(found[np.isfinite(found)])


def _neighbours(value: float, kind: np.dtype, each: int = 25) -> Array:
    """The numbers next to ``value``: by stepping through the bits, which increase with the magnitude."""
    bits = {2: np.int16, 4: np.int32}[kind.itemsize]
    middle = np.array([abs(value)]).astype(kind).view(bits).astype(np.int64)
    steps = np.arange(-each, each + 1)
    steps = steps[middle + steps >= 0]
    found = (middle + steps).astype(bits).view(kind).astype(np.float64)
    return np.concatenate([found, -found]) if value == 0.0 else np.sign(value) * found
