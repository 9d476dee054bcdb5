"""Inputs from files: exact numbers for :func:`boundnet.analyze`, and a line that says where they came from.

Nothing stored is ever executed: pickled arrays are refused.
"""

from __future__ import annotations

import csv
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from boundnet.errors import InputError
from boundnet.inputs.images import SUFFIXES, Pixels, load_images
from boundnet.numerics.conversion import to_float64
from boundnet.results.files import unreadable

Numbers = np.ndarray[Any, np.dtype[Any]]
_USUAL_KEYS = ("inputs", "x", "X", "images", "data")


Sizes = tuple[int | None, ...]
"""A shape without the batch axis; None where any size will do."""


class HasInputs(Protocol):
    """What is asked of a network: a :class:`~boundnet.graph.LayerGraph` knows it."""

    @property
    def inputs(self) -> Sequence[str]: ...

    def shape(self, name: str, /) -> Sizes: ...


@dataclass(frozen=True)
class Loaded:
    """What was read.

    Attributes:
        inputs: as :func:`boundnet.analyze` takes them: one array, or arrays by input name.
        source: the files, for the record.
        notes: choices that were made and that the user may want to know of.
    """

    inputs: Numbers | dict[str, Numbers]
    source: str
    notes: tuple[str, ...] = ()


def load_inputs(graph: HasInputs, specs: Sequence[str], pixels: Pixels | None = None) -> Loaded:
    """Read ``--inputs`` arguments for ``graph``.

    Args:
        specs: ``X.npy``, ``X.npz``, ``X.npz:key``, ``X.csv``, an image, a folder of images, each perhaps as ``NAME=FILE``
            for a model with several inputs.  Several without names are samples in turn.
        pixels: how pixels become numbers.

    Raises:
        InputError: a file is missing, unreadable or doesn't fit; names it and says what to do.
    """
    pixels = pixels or Pixels()
    notes: list[str] = []
    named: dict[str, list[str]] = {}
    for spec in specs:
        name, separator, file = spec.partition("=")
        if separator and name in graph.inputs:
            named.setdefault(name, []).append(file)
        elif separator and not os.path.lexists(_split_key(spec)[0]):
            raise InputError(f"--inputs {spec}: the model has no input {name!r}; its inputs are {', '.join(graph.inputs)}")
        else:
            named.setdefault("", []).append(spec)
    source = ", ".join(str(spec) for spec in specs)
    if "" in named and len(named) > 1:
        raise InputError("--inputs: give either a name for every file (NAME=FILE) or for none")
    if "" not in named:
        arrays = {name: _samples(graph, name, files, pixels, notes) for name, files in named.items()}
        return Loaded(arrays, source, tuple(notes))
    files = named[""]
    if len(graph.inputs) > 1:
        if len(files) > 1 or not _is_npz(files[0]):
            raise InputError(
                f"--inputs: the model has {len(graph.inputs)} inputs ({', '.join(graph.inputs)}); give --inputs NAME=FILE "
                "for each, or one .npz with an array per input name"
            )
        return Loaded(_by_name(files[0], graph.inputs), source, tuple(notes))
    return Loaded(_samples(graph, graph.inputs[0], files, pixels, notes), source, tuple(notes))


def _samples(graph: HasInputs, name: str, files: Sequence[str], pixels: Pixels, notes: list[str]) -> Numbers:
    """All samples of one input, files in turn."""
    shape = graph.shape(name)
    parts = [_read(file, shape, pixels, notes) for file in files]
    if len(parts) == 1:
        return parts[0]
    whole = [part[None] if _fits(part.shape, shape) else part for part in parts]
    odd = next((file for file, part in zip(files, whole, strict=True) if part.shape[1:] != whole[0].shape[1:]), None)
    if odd is not None:
        raise InputError(f"--inputs: {odd} holds samples of another shape than {files[0]}")
    return np.concatenate(whole)


def _fits(given: tuple[int, ...], shape: Sizes) -> bool:
    """Whether an array of shape ``given`` is one sample without the batch axis."""
    return len(given) == len(shape) and all(n in (None, m) for n, m in zip(shape, given, strict=True))


def _read(text: str, shape: Sizes, pixels: Pixels, notes: list[str]) -> Numbers:
    path, key = _split_key(text)
    why = unreadable(path, folders=True)
    if why is not None:
        raise InputError(f"{path}: {'no such file or folder' if why == 'no such file' else why}")
    suffix = path.suffix.lower()
    try:
        if path.is_dir() or suffix in SUFFIXES:
            return load_images(path, shape, pixels, notes)
        if suffix == ".npy":
            return _exact(_load(path), path)
        if suffix == ".npz":
            return _from_archive(path, key, notes)
        if suffix in (".csv", ".txt", ".tsv"):
            return _read_csv(path, shape, notes)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from error
    kinds = ", ".join(SUFFIXES)
    raise InputError(f"{path}: unknown kind of inputs; give .npy, .npz, .csv, an image ({kinds}) or a folder of images")


def _split_key(text: str) -> tuple[Path, str | None]:
    """``X.npz:key`` -> (X.npz, key), unless a file of the whole name exists."""
    path = Path(text)
    if not os.path.lexists(path):
        file, separator, key = text.rpartition(":")
        if separator and file.lower().endswith(".npz"):
            return Path(file), key
    return path, None


def _is_npz(text: str) -> bool:
    path, key = _split_key(text)
    return path.suffix.lower() == ".npz" and key is None


def _load(path: Path) -> Any:
    """An array or an open archive; never unpickles."""
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, OverflowError, MemoryError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    if "pickle" in str(error).lower():
        why = "it holds Python objects, which are never loaded, or isn't a NumPy file"
        return InputError(f"{path}: no plain array of numbers ({why})")
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return InputError(f"{path}: not a readable NumPy file ({first}); it may be truncated, save it again")


def _member(path: Path, archive: Any, key: str) -> Numbers:
    try:
        return _exact(archive[key], f"{path}:{key}")
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, OverflowError, MemoryError) as error:
        raise _damaged(path, error) from error


def _exact(array: Any, what: object) -> Numbers:
    """Numbers that binary64 holds exactly; wider ones are refused rather than rounded in silence."""
    if not isinstance(array, np.ndarray):
        raise InputError(f"{what}: holds several arrays; save it as .npz")
    if array.dtype.kind in "fiu" and to_float64(array)[1].any():
        raise InputError(f"{what}: {array.dtype} numbers that binary64 can't hold exactly; round them to float64 first")
    return array


def _from_archive(path: Path, key: str | None, notes: list[str]) -> Numbers:
    archive = _load(path)
    if isinstance(archive, np.ndarray):
        return archive
    with archive:
        keys = list(archive.files)
        if not keys:
            raise InputError(f"{path}: the archive holds no arrays")
        listed = ", ".join(keys)
        if key is not None:
            if key not in keys:
                raise InputError(f"{path}: no array {key!r}; it holds {listed}")
        elif len(keys) == 1:
            key = keys[0]
        else:
            key = next((usual for usual in _USUAL_KEYS if usual in keys), None)
            if key is None:
                raise InputError(f"{path}: holds several arrays ({listed}); choose one with {path}:KEY")
            notes.append(f"{path}: took array {key!r} of {listed}; choose another with FILE.npz:KEY")
        return _member(path, archive, key)


def _by_name(file: str, names: Sequence[str]) -> dict[str, Numbers]:
    path = Path(file)
    why = unreadable(path)
    if why is not None:
        raise InputError(f"{path}: {why}")
    archive = _load(path)
    with archive:
        missing = [name for name in names if name not in archive.files]
        if missing:
            raise InputError(
                f"{path}: no array for input {missing[0]!r}; the model's inputs are {', '.join(names)}, "
                f"the file holds {', '.join(archive.files)}"
            )
        return {name: _member(path, archive, name) for name in names}


def _read_csv(path: Path, shape: Sizes, notes: list[str]) -> Numbers:
    """One sample a row, values in C order; decimal fractions become the nearest binary64 number."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            first = stream.readline()
            stream.seek(0)
            separator = next((mark for mark in (",", ";", "\t") if mark in first), None)
            lines = csv.reader(stream, delimiter=separator or " ", skipinitialspace=True)
            rows = [(lines.line_num, [cell for cell in row if separator or cell]) for row in lines]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a text file of numbers ({error})") from error
    rows = [(line, row) for line, row in rows if any(cell.strip() for cell in row)]
    if rows and not any(_is_number(cell) for cell in rows[0][1]):
        notes.append(f"{path}: skipped the heading in line {rows[0][0]}")
        rows = rows[1:]
    if not rows:
        raise InputError(f"{path}: there are no samples in it")
    shape = _settled(path, shape, len(rows[0][1]))
    size = int(np.prod(shape))
    values = np.empty((len(rows), size))
    for index, (line, row) in enumerate(rows):
        if len(row) != size:
            raise InputError(f"{path}: line {line} has {len(row)} numbers; the model's input of shape {shape} takes {size}")
        for column, cell in enumerate(row):
            if not _is_number(cell):
                raise InputError(f"{path}: line {line}, column {column + 1}: {cell!r} is not a number")
            values[index, column] = float(cell)
    return values.reshape(len(rows), *shape)


def _settled(path: Path, shape: Sizes, count: int) -> tuple[int, ...]:
    """``shape`` with its one open size such that ``count`` numbers fill it."""
    known = [n for n in shape if n is not None]
    if len(known) == len(shape):
        return tuple(known)
    times = count // int(np.prod(known))
    if len(known) < len(shape) - 1 or times < 1:
        raise InputError(f"{path}: lines of {count} numbers don't tell the sizes left open in {shape}; give --input-shape")
    return tuple(times if n is None else n for n in shape)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
