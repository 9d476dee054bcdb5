"""The calls of a layer as functional models store them, in the notations of Keras 1, 2 and 3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from boundnet_keras.model import Call, Ref

_TENSOR = "__keras_tensor__"
_CONSTANT = "_CONSTANT_VALUE"


def calls_of(entry: Mapping[str, Any]) -> tuple[Call, ...]:
    """All calls of a layer.  Raises KeyError, TypeError, ValueError for what no Keras version writes."""
    nodes = entry.get("inbound_nodes") or []
    return tuple(_keras3(node) if isinstance(node, Mapping) else _keras2(node) for node in nodes)


def references(structure: Any) -> tuple[Ref, ...]:
    """Tensors of ``input_layers`` or ``output_layers``: one, a list or a dictionary (by sorted key) of them."""
    if isinstance(structure, Mapping):
        return tuple(ref for key in sorted(structure) for ref in references(structure[key]))
    if _is_reference(structure):
        return (Ref(*structure[:3]),)
    if not isinstance(structure, list):
        raise ValueError(f"not a reference to a layer's output: {structure!r}")
    return tuple(ref for item in structure for ref in references(item))


def _is_reference(item: Any) -> bool:
    return (
        isinstance(item, list)
        and len(item) in (3, 4)
        and isinstance(item[0], str)
        and all(isinstance(n, int) for n in item[1:3])
        and (len(item) == 3 or isinstance(item[3], Mapping))
    )


def _keras3(node: Mapping[str, Any]) -> Call:
    """{"args": [...], "kwargs": {...}} with tensors as {"class_name": "__keras_tensor__", ...}."""
    arguments = list(_keras3_values(node.get("args", [])))
    options: dict[str, Any] = {}
    keywords: dict[str, tuple[int, ...]] = {}
    for key, value in dict(node.get("kwargs", {})).items():
        values = list(_keras3_values(value))
        if any(isinstance(item, Ref) for item in values):
            keywords[key] = tuple(range(len(arguments), len(arguments) + len(values)))
            arguments += values
        else:
            options[key] = value
    return Call(tuple(arguments), options, keywords)


def _keras3_values(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping) and value.get("class_name") == _TENSOR:
        history = value["config"]["keras_history"]
        if not _is_reference(history):
            raise ValueError(f"not a reference to a layer's output: {history!r}")
        yield Ref(*history)
    elif isinstance(value, list):
        for item in value:
            yield from _keras3_values(item)
    else:
        yield value


def _keras2(node: Any) -> Call:
    """[[layer, call, tensor, kwargs], ...]; kwargs may hold more tensors, as [layer, call, tensor]."""
    if _is_reference(node) or (isinstance(node, list) and node[:1] == [_CONSTANT]):
        node = [node]  # a layer called on one tensor or constant, without the list around it
    if isinstance(node, Mapping):
        return _keras3(node)
    arguments: list[Any] = []
    options: dict[str, Any] = {}
    keywords: dict[str, tuple[int, ...]] = {}
    for item in node:
        if isinstance(item, list) and len(item) >= 3 and item[0] == _CONSTANT:
            arguments.append(item[2])
        elif _is_reference(item):
            arguments.append(Ref(*item[:3]))
        else:
            raise ValueError(f"not a reference to a layer's output: {item!r}")
        for key, value in dict(item[3] if len(item) == 4 else {}).items():
            several = [value] if _is_reference(value) else value
            if isinstance(several, list) and several and all(_is_reference(inner) for inner in several):
                keywords[key] = tuple(range(len(arguments), len(arguments) + len(several)))
                arguments += [Ref(*inner[:3]) for inner in several]
            else:
                options[key] = value
    return Call(tuple(arguments), options, keywords)
