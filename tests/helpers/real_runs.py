"""Keras' own runs of a program, and how far they are from what it means."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import boundnet
from helpers import real_meanings as meanings
from helpers.real_points import DTYPES, Array, points
from helpers.real_programs import PROGRAMS

MODES = ("eager", "tf.function", "XLA")
PRESETS = {"float32": "binary32", "float16": "binary16", "bfloat16": "bfloat16"}


@dataclass(frozen=True)
class Outside:
    """What left its bound.  ``worst``: largest error / bound, ``at``: where."""

    count: int
    values: int
    worst: float
    at: float


@functools.cache
def known(name: str, dtype: str, count: int) -> tuple[Array, Array, Array, Array]:
    """Points, what the program means there as two float64 numbers, and the bound of every conforming execution."""
    import keras

    program = PROGRAMS[name]
    at = points(count, program.breaks, dtype)
    at = np.pad(at, (0, -len(at) % 7), mode="edge")
    model = _model(keras, name, (len(at),), "float32")
    with np.errstate(all="ignore"):
        found = boundnet.analyze(model, at[None], PRESETS[dtype], domain="interval", decision="none").samples[0].outputs[0]
    exact = np.array(meanings.values(program.meaning, at.tolist()))
    return at, exact[:, 0], exact[:, 1], found.absolute_bound.ravel()


def outside(name: str, dtype: str, mode: str, batch: int, count: int) -> Outside:
    """Keras' run against |computed - f(x)| <= bound, f(x) from :mod:`meanings`: no tolerance, NaN is outside."""
    import keras
    import tensorflow as tf

    at, high, low, bound = known(name, dtype, count)
    model = _model(keras, name, (len(at) // batch,), dtype)
    run: dict[str, Callable[[Any], Any]] = {
        "eager": lambda x: model(x, training=False),
        "tf.function": tf.function(lambda x: model(x, training=False)),
        "XLA": tf.function(lambda x: model(x, training=False), jit_compile=True),
    }
    # NumPy converts, before and after: TensorFlow's casts flush subnormal numbers, and are no part of the program.
    computed = run[mode](tf.constant(at.reshape(batch, -1).astype(DTYPES[dtype])))
    assert computed.dtype == dtype
    seen = computed.numpy().astype(np.float64).ravel()
    with np.errstate(all="ignore"):
        # high + low is the exact value to 100 bits: two roundings, each of 2**-53 at most.
        error = np.abs((seen - high) - low) * (1.0 - 2.0**-50)
        error = np.where(np.isinf(bound), 0.0, error)
        left = ~(error <= bound)
        ratio = np.where(error == 0.0, 0.0, error / bound)
    worst = int(np.nanargmax(ratio))
    return Outside(int(left.sum()), len(seen), float(ratio[worst]), float(at[worst]))


def _model(keras: Any, name: str, shape: tuple[int, ...], dtype: str) -> Any:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        x = keras.Input(shape, dtype=dtype)
        return keras.Model(x, PROGRAMS[name].build(keras)(x))
    finally:
        keras.config.set_dtype_policy(before)
