"""Emitted C compiled and called, and the emulator that makes the same choices."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boundnet.arithmetic import SEQUENTIAL, Arithmetic
from boundnet.arithmetic.formats import BINARY32, BINARY64
from boundnet.graph import LayerGraph
from boundnet.machines.emulated import EmulatedMachine
from boundnet.mca.emit import Emitted, emit, write
from boundnet.mca.emit.code import CALLS, CType
from boundnet.numerics.accuracy import GLIBC_FLOAT64, X86_FLOAT32

CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler (cc, gcc or clang) on PATH")
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
FLAGS = ["-O1", "-std=c99", "-ffp-contract=off"]


def rules(real: str) -> Arithmetic:
    """The Arithmetic of the emitted C: document order, bias last, no FMA."""
    single = real == "float"
    fmt, table = (BINARY32, X86_FLOAT32) if single else (BINARY64, GLIBC_FLOAT64)
    return Arithmetic("c", fmt, fmt, SEQUENTIAL, "no", "nearest", "gradual", table, "last")


class Compiled:
    """An emitted network as a shared library, and its elementary functions."""

    def __init__(self, graph: LayerGraph, folder: Path, real: Any = "float") -> None:
        self.emitted: Emitted = emit(graph, real)
        self.folder = write(self.emitted, folder)
        self.dtype = np.dtype(np.float32 if real == "float" else np.float64)
        cases = "".join(
            f"if (which == {i}) for (long k = 0; k < n; ++k) y[k] = {CType(real).call(name)}(x[k]);\n"
            for i, name in enumerate(CALLS)
        )
        text = (
            f'#include "network.h"\n#include <math.h>\nvoid apply(int which, const real *x, real *y, long n) {{\n{cases}}}\n'
        )
        (folder / "apply.c").write_text(text)
        sources = ["network.c", "functions.c", "weights.c", "library.c", "apply.c"]
        command = [str(CC), *FLAGS, *WARNINGS, "-fPIC", "-shared", "-o", "lib.so", *sources, "-lm"]
        built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr[:3000]
        self.library = ctypes.CDLL(str(folder / "lib.so"))
        self.library.network_open.restype = ctypes.c_void_p
        self.library.network_node_values.restype = ctypes.c_void_p
        message = ctypes.create_string_buffer(500)
        self.handle = self.library.network_open(str(folder / "weights.bin").encode(), message, ctypes.c_size_t(500))
        assert self.handle, message.value

    def run(self, inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Every node of one sample after the other, as float64."""
        nodes: dict[str, list[np.ndarray]] = {node.name: [] for node in self.emitted.nodes}
        sizes = {node.name: node.shape for node in self.emitted.nodes}
        results = [np.empty(sizes[name], self.dtype) for name in self.emitted.outputs]
        for sample in zip(*inputs, strict=True):
            values = [np.ascontiguousarray(x.astype(self.dtype)) for x in sample]
            pointers = [(ctypes.c_void_p * len(group))(*(a.ctypes.data for a in group)) for group in (values, results)]
            self.library.network_run(ctypes.c_void_p(self.handle), *pointers)
            for number, node in enumerate(self.emitted.nodes):
                at = self.library.network_node_values(ctypes.c_void_p(self.handle), number)
                count = int(np.prod(node.shape))
                raw = ctypes.string_at(at, count * self.dtype.itemsize)
                nodes[node.name].append(np.frombuffer(raw, self.dtype).reshape(node.shape).astype(np.float64))
        for name, result in zip(self.emitted.outputs, results, strict=True):
            np.testing.assert_array_equal(result, nodes[name][-1].astype(self.dtype))
        return {name: np.stack(parts) for name, parts in nodes.items()}

    def function(self, name: str, x: np.ndarray) -> np.ndarray:
        """An elementary function as the emitted C computes it."""
        values = np.ascontiguousarray(x, dtype=self.dtype)
        result = np.empty_like(values)
        self.library.apply(list(CALLS).index(name), ctypes.c_void_p(values.ctypes.data), ctypes.c_void_p(result.ctypes.data),
                           ctypes.c_long(values.size))  # fmt: skip
        return result.astype(np.float64)


class _Quarter:
    """Stands for a generator: sums start from zero, means divide, nothing is skipped."""

    def random(self, size: Any = None) -> Any:
        return 0.25 if size is None else np.full(size, 0.25)

    def choice(self, values: Any, size: Any = None) -> Any:
        return np.resize(values, size)


class SameChoices(EmulatedMachine):
    """The emulator with the emitted C's choices and its elementary functions."""

    def __init__(self, compiled: Compiled) -> None:
        super().__init__(rules(compiled.emitted.real), _Quarter())  # type: ignore[arg-type]
        self.compiled = compiled

    def function(self, name: str, a: np.ndarray) -> np.ndarray:
        return self.compiled.function(name, a)


def emulate(graph: LayerGraph, machine: EmulatedMachine, inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Every node on ``machine``."""
    values = {name: machine.parameter(x) for name, x in zip(graph.inputs, inputs, strict=True)}
    for name in graph.topological():
        if name not in values:
            with np.errstate(all="ignore"):
                values[name] = graph.op(name).evaluate(machine, *(values[source] for source in graph.inputs_of(name)))
    return values
