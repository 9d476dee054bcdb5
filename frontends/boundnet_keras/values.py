"""Plain Python values out of Keras's JSON: tuples, arrays, policies and scalars come in several wrappers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from boundnet.errors import ModelFileError

MAX_DEPTH = 200


def plain(value: Any, depth: int = 0) -> Any:
    """Undo the wrappers ``__tuple__``, ``__numpy__``, ``__tensor__`` and ``TensorShape``; keep the rest as it is."""
    if depth > MAX_DEPTH:
        raise ModelFileError(f"the model's configuration is nested more than {MAX_DEPTH} levels deep; save it again")
    if isinstance(value, Mapping):
        wrapper, inner = value.get("class_name"), value.get("config")
        if wrapper in ("__tuple__", "TensorShape", "__tuple"):
            return plain(value.get("items", []), depth + 1)
        if wrapper in ("__numpy__", "__tensor__", "__np_float__") and isinstance(inner, Mapping):
            return plain(inner.get("value"), depth + 1)
        if value.get("type") == "ndarray" and "value" in value:
            return plain(value["value"], depth + 1)
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    return value


def policy_name(dtype: Any) -> str:
    """The name of a dtype or dtype policy given as a string or as a serialised policy; '' if there is none."""
    if isinstance(dtype, str):
        return dtype
    if isinstance(dtype, Mapping):
        config = dtype.get("config")
        if isinstance(config, Mapping):
            return str(config.get("name") or config.get("default_policy") or dtype.get("class_name") or "")
        return str(dtype.get("class_name") or "")
    return ""


def ints(value: Any, rank: int) -> tuple[int, ...]:
    """``value`` as ``rank`` integers; one number stands for all.  Raises ValueError for anything else."""
    if isinstance(value, bool) or value is None:
        raise ValueError(f"expected {rank} integers, found {value!r}")
    if isinstance(value, int):
        return (value,) * rank
    if isinstance(value, Sequence) and not isinstance(value, str):
        numbers = tuple(value)
        if len(numbers) == 1:
            numbers *= rank
        if len(numbers) == rank and all(isinstance(number, int) for number in numbers):
            return numbers
    raise ValueError(f"expected {rank} integers, found {value!r}")


def positive(value: Any, rank: int) -> tuple[int, ...]:
    """As ``ints``, for sizes: raises ValueError unless all are at least 1."""
    numbers = ints(value, rank)
    if min(numbers) < 1:
        raise ValueError(f"expected positive integers, found {value!r}")
    return numbers


def pairs(value: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """Low and high amounts per axis, from ``n``, ``(n, m)`` or ``((lo, hi), ...)`` as padding layers take them."""
    if rank == 1 and isinstance(value, Sequence) and len(value) == 2 and all(isinstance(n, int) for n in value):
        return ((int(value[0]), int(value[1])),)
    if isinstance(value, int):
        return ((value, value),) * rank
    if isinstance(value, Sequence) and len(value) == rank:
        return tuple((low, high) for low, high in (ints(item, 2) for item in value))
    raise ValueError(f"expected {rank} pairs of integers, found {value!r}")


def number(value: Any) -> float:
    """A scalar, also where it is stored as an array of one element.  Raises ValueError for anything else."""
    while isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 1:
        value = value[0]
    if isinstance(value, Mapping) and "value" in value:
        return number(value["value"])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"expected a number, found {value!r}")
    if isinstance(value, int) and int(float(value)) != value:
        raise ValueError(f"{value} is an integer that binary64 can't hold exactly")
    return float(value)
