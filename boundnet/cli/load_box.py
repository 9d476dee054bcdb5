"""Boxes of inputs from the command line: two numbers or a file of ends."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boundnet.analysis.boxes.sides import flatten, unflatten
from boundnet.cli.box_option import is_number
from boundnet.errors import InputError
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.results.files import unreadable


@dataclass(frozen=True)
class LoadedBox:
    """Ends, one (1, *shape) array for each input, and where they came from."""

    low: list[Array]
    high: list[Array]
    source: str


def load_box(graph: LayerGraph, specs: Sequence[str]) -> LoadedBox:
    """Read ``--box`` arguments for ``graph``.

    Args:
        specs: ``LO HI``, the same for all elements, or ``FILE.csv``; each perhaps as ``NAME=...`` for a model with several
            inputs, otherwise one for all of them.

    Raises:
        InputError: something is missing, unreadable or doesn't fit; says what to do.
    """
    named: dict[str, str] = {}
    for spec in specs:
        name, separator, rest = spec.partition("=")
        if separator and name in graph.inputs:
            if name in named:
                raise InputError(f"--box: input {name!r} is given twice")
            named[name] = rest
        elif len(specs) > 1:
            names = ", ".join(graph.inputs)
            raise InputError(f"--box {spec}: give one box, or NAME=LO HI or NAME=FILE.csv for each of the inputs ({names})")
    if not named:
        sizes = [int(np.prod(graph.shape(name), dtype=np.int64)) for name in graph.inputs]
        ends = _ends(specs[0], sum(sizes), "the model's inputs have" if len(sizes) > 1 else "the model's input has")
        return LoadedBox(unflatten(ends[:1], graph), unflatten(ends[1:], graph), _source(specs))
    missing = [name for name in graph.inputs if name not in named]
    if missing:
        raise InputError(f"--box: nothing given for input {missing[0]!r}; add --box {missing[0]}=LO HI")
    parts = [
        _ends(named[name], int(np.prod(graph.shape(name), dtype=np.int64)), f"input {name!r} has") for name in graph.inputs
    ]
    low, high = flatten([part[:1] for part in parts]), flatten([part[1:] for part in parts])
    return LoadedBox(unflatten(low, graph), unflatten(high, graph), _source(specs))


def _source(specs: Sequence[str]) -> str:
    return "box " + ", ".join("{} .. {}".format(*spec.split()) if _two_numbers(spec) else spec for spec in specs)


def _two_numbers(spec: str) -> bool:
    words = spec.rpartition("=")[2].split()
    return len(words) == 2 and all(map(is_number, words))


def _ends(spec: str, size: int, whose: str) -> Array:
    """(2, size): lower and upper ends."""
    words = spec.split()
    if _two_numbers(spec):
        low, high = (_finite(word, f"--box {spec}") for word in words)
        _in_order(low, high, f"--box {spec}")
        return np.repeat([[low], [high]], size, axis=1)
    if is_number(spec):
        raise InputError(f"--box {spec}: give two numbers, LO HI, or a file with a line lo,hi for each input element")
    return _read(Path(spec), size, whose)


def _read(path: Path, size: int, whose: str) -> Array:
    why = unreadable(path)
    if why is not None:
        raise InputError(f"--box {path}: {why}; give two numbers, LO HI, or a .csv file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = csv.reader(stream, skipinitialspace=True)
            rows = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a text file of numbers ({error})") from error
    if not rows or [cell.strip().lower() for cell in rows[0][1]] != ["lo", "hi"]:
        raise InputError(f"{path}: the first line must be lo,hi; one line for each input element follows, in C order")
    if len(rows) - 1 != size:
        raise InputError(f"{path}: {len(rows) - 1} lines of ends; {whose} {size} elements")
    ends = np.empty((2, size))
    for index, (line, row) in enumerate(rows[1:]):
        where = f"{path}: line {line}"
        if len(row) != 2:
            raise InputError(f"{where} has {len(row)} numbers; give lo,hi")
        ends[:, index] = [_finite(cell, where) for cell in row]
        _in_order(ends[0, index], ends[1, index], where)
    return ends


def _finite(text: str, where: str) -> float:
    if not is_number(text) or not math.isfinite(float(text)):
        raise InputError(f"{where}: {text.strip()!r} is not a finite number")
    return float(text)


def _in_order(low: float, high: float, where: str) -> None:
    if low > high:
        raise InputError(f"{where}: the lower end {low:.17g} is above the upper end {high:.17g}")
