"""What an analysis found: the one result model, its JSON form and its words.

The model loads with its first use: the command line prints text long before there are arrays.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boundnet.results.model import (
        SCHEMA_VERSION,
        Analysis,
        CastLoss,
        Decision,
        DomainInfo,
        InputBox,
        InputInfo,
        Layer,
        LogitBound,
        ModelInfo,
        Node,
        OutputBound,
        Sample,
        SampleReference,
        Summary,
    )


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("boundnet.results.model"), name)
    raise AttributeError(f"module 'boundnet.results' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "SCHEMA_VERSION",
    "Analysis",
    "CastLoss",
    "Decision",
    "DomainInfo",
    "InputBox",
    "InputInfo",
    "Layer",
    "LogitBound",
    "ModelInfo",
    "Node",
    "OutputBound",
    "Sample",
    "SampleReference",
    "Summary",
]
