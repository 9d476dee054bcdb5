"""Dataclasses of results as what JSON knows."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

RENAMED = {"class_index": "class", "lam": "lambda"}
"""Fields whose JSON key Python keeps for itself."""


@functools.cache
def _keys(kind: type) -> tuple[tuple[str, str], ...]:
    """Names of a dataclass's fields, and the keys that stand for them."""
    return tuple((item.name, RENAMED.get(item.name, item.name)) for item in fields(kind))


def plain(value: Any) -> Any:
    """Results as plain lists, dicts, numbers and strings; non-finite numbers become "inf", "-inf" and "nan"."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: plain(getattr(value, name)) for name, key in _keys(type(value))}
    if isinstance(value, np.ndarray):
        # Numbers that JSON knows need no look at each of them: most of a result of many samples.
        listed = value.tolist()
        known = value.dtype.kind in "biu" or (value.dtype.kind == "f" and np.isfinite(value).all())
        return listed if known else plain(listed)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    return value
