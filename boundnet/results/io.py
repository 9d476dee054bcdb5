"""Reading results back: the inverse of :meth:`boundnet.Analysis.to_dict`."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from boundnet.errors import InputError
from boundnet.numerics.outward import Array
from boundnet.results.model import SCHEMA_VERSION, Analysis
from boundnet.results.to_json import RENAMED

SCHEMA = Path(__file__).parent / "schema" / "analysis-1.2.json"
"""JSON Schema (2020-12) of results."""


def from_json(text: str) -> Analysis:
    """The analysis that ``text`` holds.

    Raises:
        InputError: no JSON, no result, or one of another major schema version.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a BoundNet result: no JSON ({error})") from None
    return from_dict(data)


def from_dict(data: Mapping[str, Any]) -> Analysis:
    """The analysis that :meth:`Analysis.to_dict` turned into ``data``; unknown keys are ignored.

    Raises:
        InputError: keys are missing or hold something else, or the major schema version differs.
    """
    if not isinstance(data, Mapping) or "schema_version" not in data:
        raise InputError("not a BoundNet result: it has no schema_version")
    if str(data["schema_version"]).split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise InputError(f"results of schema version {data['schema_version']}; this BoundNet reads version {SCHEMA_VERSION}")
    analysis: Analysis = build(Analysis, data, "result")
    return analysis


def build(kind: Any, data: Any, where: str) -> Any:
    """``data`` as the dataclass ``kind``."""
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: an object is needed")
    hints = get_type_hints(kind)
    values = {}
    for item in fields(kind):
        key = RENAMED.get(item.name, item.name)
        if key in data:
            values[item.name] = _read(hints[item.name], data[key], f"{where}.{key}")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise InputError(f"{where}: {key!r} is missing")
    return kind(**values)


def _read(kind: Any, data: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if data is None and type(None) in arguments:
            return None
        return _read(next(a for a in arguments if a is not type(None)), data, where)
    if kind is Any:
        return data
    if kind == Array:
        return _numbers(data, where)
    if is_dataclass(kind):
        return build(kind, data, where)
    if origin is tuple:
        if not isinstance(data, list | tuple):
            raise InputError(f"{where}: a list is needed")
        return tuple(_read(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(data))
    if origin is Mapping:
        if not isinstance(data, Mapping):
            raise InputError(f"{where}: an object is needed")
        return {str(key): _read(arguments[1], item, f"{where}.{key}") for key, item in data.items()}
    if kind is float:
        return float(_numbers(data, where))
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise InputError(f"{where}: {kind.__name__} is needed")
    return data


def _numbers(data: Any, where: str) -> Array:
    """Nested lists of numbers, "inf", "-inf" or "nan" as a float64 array."""
    try:
        return np.array(data, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{where}: numbers are needed") from None
