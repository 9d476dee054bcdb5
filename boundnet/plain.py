"""Dataclasses of results as what JSON knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

RENAMED = {"class_index": "class", "lam": "lambda"}
"""Fields whose JSON key Python keeps for itself."""


def plain(value: Any) -> Any:
    """Results as plain lists, dicts, numbers and strings; non-finite numbers become "inf", "-inf" and "nan"."""
    if is_dataclass(value) and not isinstance(value, type):
        return {RENAMED.get(f.name, f.name): plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
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
