"""A digest of what an analysis is about: equal digests, equal work."""

from __future__ import annotations

import enum
import hashlib
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from boundnet.analysis.units import Job
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array

_APART = ("graph", "arithmetic")


def digests(job: Job, values: Sequence[Array], versions: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 of each thing that results depend on, by the name to tell people."""
    return {
        "model": digest(_described(job.graph)),
        "inputs": digest(tuple(values)),
        "arithmetic": digest(job.arithmetic),
        "options": digest((job.domain, job.heads, job.coins, job.count, job.lam, job.effort)),
        "version": ", ".join(f"{name} {number}" for name, number in sorted(versions.items())),
    }


def _described(graph: LayerGraph) -> list[Any]:
    names = ("op", "inputs", "shape", "layer", "kind")
    nodes = [(name, *(graph.digraph.nodes[name][key] for key in names)) for name in graph.topological()]
    return [nodes, graph.outputs, graph.output_labels]


def digest(value: Any) -> str:
    """SHA-256 of plain values, arrays, dataclasses, and other objects by their attributes."""
    found = hashlib.sha256()
    _feed(found, value, ())
    return found.hexdigest()


def _feed(found: Any, value: Any, above: tuple[int, ...]) -> None:
    """Each value as its type, its length where it has one, and what it holds: no two run into each other."""
    kind = type(value)
    found.update(f"{kind.__module__}.{kind.__qualname__}(".encode())
    if value is None or isinstance(value, bool | int | float | complex | str | enum.Enum):
        text = repr(value)
        found.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
    elif isinstance(value, bytes):
        found.update(f"{len(value)}:".encode() + value)
    elif isinstance(value, np.ndarray | np.generic) and value.dtype != object:
        found.update(f"{value.dtype.str}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, np.dtype):
        found.update(value.str.encode())
    elif isinstance(value, types.FunctionType):
        # Closures that were made by one function differ in their cells.
        cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
        found.update(f"{value.__module__}.{value.__qualname__}".encode() + value.__code__.co_code)
        _feed(found, (value.__defaults__, cells), (*above, id(value)))
    elif isinstance(value, types.BuiltinFunctionType | type):
        found.update(f"{value.__module__}.{value.__qualname__}".encode())
    elif id(value) in above:
        found.update(b"cycle")
    else:
        for key, item in _members(value):
            found.update(f"{key!r}=".encode("utf-8", "surrogatepass"))
            _feed(found, item, (*above, id(value)))
    found.update(b")")


def _members(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return [(str(key), item) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return list(enumerate(sorted(value, key=repr)))
    if isinstance(value, list | tuple | np.ndarray):
        return list(enumerate(value))
    if is_dataclass(value):
        # Fields alone: what is computed from them on demand may be there or not.
        return [(item.name, getattr(value, item.name)) for item in fields(value)]
    state = getattr(value, "__dict__", None)
    return sorted(state.items()) if state is not None else [("repr", repr(value))]
