"""Mutation of one line of a rule, for as long as a test runs."""

from __future__ import annotations
import __future__

import inspect
import sys
import textwrap
from collections.abc import Callable
from types import FunctionType
from typing import Any

import pytest


def mutate(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], old: str, new: str) -> None:
    """Replace the text ``old`` in the source of ``function`` by ``new``, wherever the function is already imported.

    A compiled kernel is replaced in its module, and the module's other kernels run as plain Python for as long.
    """
    if hasattr(function, "py_func"):
        module = sys.modules[function.__module__]
        for name, other in list(vars(module).items()):
            if hasattr(other, "py_func") and other.__module__ == module.__name__:
                monkeypatch.setattr(module, name, other.py_func)
        function = function.py_func
    assert isinstance(function, FunctionType)
    source = textwrap.dedent(inspect.getsource(function))
    lines = source.splitlines(keepends=True)
    while lines[0].lstrip().startswith("@"):
        lines.pop(0)
    source = "".join(lines)
    assert source.count(old) == 1, (
        f"{function.__qualname__} has {source.count(old)} times {old!r}: bring the mutation up to date"
    )
    code = compile(
        source.replace(old, new), f"<mutated {function.__qualname__}>", "exec", __future__.annotations.compiler_flag, True
    )
    namespace: dict[str, Any] = dict(function.__globals__)
    exec(code, namespace)
    monkeypatch.setattr(function, "__code__", namespace[function.__name__].__code__)
