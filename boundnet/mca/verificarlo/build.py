"""The emitted C compiled by Verificarlo, and the proof that every operation of it is instrumented."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from importlib import resources
from pathlib import Path

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.errors import OutputError, ToolError
from boundnet.graph import LayerGraph
from boundnet.mca.emit import Emitted, emit
from boundnet.mca.emit.code import size_of
from boundnet.mca.emit.text import STATIC
from boundnet.mca.verificarlo.modes import IEEE, Mode, quiet, real_type
from boundnet.mca.verificarlo.processes import Pool, Run
from boundnet.mca.verificarlo.toolchain import Toolchain
from boundnet.numerics.outward import Array

PLAIN = ("functions", "weights", "npy", "main")
"""Sources that are not instrumented: loading weights must not perturb them, and functions count as one operation."""
FLAGS = ("-O0", "-std=c99", "-ffp-contract=off")
"""Of the instrumented source.  Without optimisation each operation is executed as it is written; calls dominate anyway."""


class Build:
    """A network compiled in a temporary folder.  Several executions share one; ``close`` deletes it.

    Raises:
        ToolError: the compiler fails, or an operation is not instrumented.
        UnsupportedLayerError: the network can't be written as C.
    """

    def __init__(
        self, graph: LayerGraph, arithmetic: Arithmetic, toolchain: Toolchain, workers: int | None = None,
        limit: float = 600.0,
    ) -> None:  # fmt: skip
        real, self.storage = real_type(arithmetic), arithmetic.storage
        self.emitted: Emitted = emit(graph, real, self.storage)
        self.toolchain = toolchain
        self.pool = Pool(toolchain, workers, limit)
        self.dtype = np.dtype("<f4" if real == "float" else "<f8")
        self.values = self.emitted.nodes[-1].offset + size_of(self.emitted.nodes[-1].shape)
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="boundnet-verificarlo-")
        except OSError as error:
            raise OutputError(f"no temporary folder can be made ({error.strerror or error}); set TMPDIR") from error
        self.folder = Path(self._folder.name)
        try:
            self._compile()
            self.counted = self._prove()
        except BaseException:
            self.close()
            raise

    def _compile(self) -> None:
        try:
            for name, contents in self.emitted.files.items():
                if name in (*STATIC, "network.c", "network.h", "weights.bin"):
                    (self.folder / name).write_bytes(contents)
            probe = resources.files("boundnet.mca.verificarlo") / "probe.c"
            (self.folder / "probe.c").write_bytes(probe.read_bytes())
        except OSError as error:
            raise OutputError(f"{self.folder}: can't be written ({error.strerror or error}); set TMPDIR") from error
        # -S only compiles: the assembly of these sources has no instrumented operation.
        self.toolchain.compile(self.folder, "-S", "-O2", "-std=c99", *(f"{name}.c" for name in PLAIN))
        self.toolchain.compile(self.folder, *FLAGS, "network.c", *(f"{name}.s" for name in PLAIN), "-o", "network", "-lm")

    def _prove(self) -> Counter[str]:
        """Count executed operations and look at two samples; raise ToolError unless all operations are instrumented."""
        rng = np.random.default_rng(0)
        graph_inputs = [node for node in self.emitted.nodes if node.name in self.emitted.inputs]
        files = [self.save(f"probe{i}.npy", rng.normal(size=(1, *node.shape))) for i, node in enumerate(graph_inputs)]
        words = ("./network", "--stream", "--nodes")
        counting = Run((*words, *files), self.folder, quiet(f"{IEEE} --count-op"), "counting operations")
        text = self.pool.one(counting).stderr
        counted = Counter({name: int(n) for name, n in re.findall(r"\b(add|sub|mul|div|fma)=(\d+)", text)})
        expected = self.emitted.total_operations
        if +counted != +expected:
            kinds = ("add", "sub", "mul", "div", "fma")
            listed = ", ".join(f"{name} {counted[name]:,} of {expected[name]:,}" for name in kinds)
            raise ToolError(
                f"Verificarlo {self.toolchain.version} did not instrument the emitted C as expected (executed and expected: "
                f"{listed}); samples would mean nothing"
            )
        if sum(expected.values()):
            noise = quiet("libinterflop_mca.so --mode=mca --precision-binary32=11 --precision-binary64=11 --seed=1")
            twice = Run((*words, "--repeat", "2", *files), self.folder, noise, "two samples")
            first, second = self.read(self.pool.one(twice).stdout, 2)
            if np.array_equal(first, second, equal_nan=True):
                raise ToolError("two Monte Carlo samples are the same: the backend libinterflop_mca.so adds no noise")
        return counted

    def save(self, name: str, values: Array) -> str:
        """``values`` rounded once to the storage format as file ``name`` of the folder."""
        try:
            with np.errstate(over="ignore"):
                np.save(self.folder / name, np.ascontiguousarray(self.storage.round(values)).astype(self.dtype))
        except OSError as error:
            raise OutputError(f"{self.folder}: can't be written ({error.strerror or error}); set TMPDIR") from error
        return name

    def read(self, stream: bytes, rows: int) -> Array:
        """(rows, values of all nodes) from what ``--stream --nodes`` wrote."""
        if len(stream) != rows * self.values * self.dtype.itemsize:
            raise ToolError(f"the compiled network wrote {len(stream)} bytes instead of {rows} samples")
        return np.frombuffer(stream, self.dtype).reshape(rows, self.values)

    def vprec_digits(self, mode: Mode) -> int:
        """The ``--precision-binary32`` that gives VPREC the format of ``mode``, found by trying 1 + 2**-k and 2**k + 0.

        Versions and their documentation differ in whether the hidden bit counts.

        Raises:
            ToolError: no value does.
        """
        assert mode.narrow is not None
        precision, exponent_bits = mode.narrow
        if not (self.folder / "probe").exists():
            self.toolchain.compile(self.folder, *FLAGS, "probe.c", "-o", "probe", "-lm")
        tried = []
        for option in (precision - 1, precision):
            run = Run(("./probe",), self.folder, quiet(f"{mode.options} --precision-binary32={option}"), "probing VPREC")
            seen = re.findall(r"(digit|exponent) (\d+) ([01])", self.pool.one(run).stdout.decode())
            found = {kind: max((int(k) for what, k, yes in seen if what == kind and yes == "1"), default=0)
                     for kind in ("digit", "exponent")}  # fmt: skip
            if found["digit"] + 1 == precision and found["exponent"] == 2 ** (exponent_bits - 1) - 1:
                return option
            tried.append(f"{option}: {found['digit'] + 1} significant bits, largest exponent {found['exponent']}")
        raise ToolError(f"VPREC does not emulate {precision} significant bits and {exponent_bits} exponent bits; "
                        f"--precision-binary32 gave {'; '.join(tried)}")  # fmt: skip

    def close(self) -> None:
        """Kill what still runs and delete the folder."""
        self.pool.close()
        self._folder.cleanup()
