"""Verificarlo as a backend (:mod:`boundnet.mca.backend`)."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.errors import InputError
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Job, Sampling
from boundnet.mca.emit.code import size_of
from boundnet.mca.verificarlo.build import Build
from boundnet.mca.verificarlo.modes import Mode, mode_for
from boundnet.mca.verificarlo.processes import Run
from boundnet.mca.verificarlo.toolchain import find
from boundnet.numerics.outward import Array

PROCESS_OPERATIONS = 2e7
"""About how many operations one process executes: half a second of Monte Carlo Arithmetic."""


class _Shared:
    """A build with its users: the last one deletes it, or Python does when all are gone."""

    def __init__(self, build: Build, users: int) -> None:
        self.build, self.users = build, users
        self._close = weakref.finalize(self, build.close)

    def release(self) -> None:
        self.users -= 1
        if self.users <= 0:
            self._close()


@dataclass
class VerificarloExecution:
    """One mode of Verificarlo (:class:`boundnet.mca.backend.Execution`)."""

    graph: LayerGraph
    mode: Mode
    sampling: Sampling
    shared: _Shared
    notes: tuple[str, ...]
    _closed: bool = field(default=False, repr=False)

    @property
    def title(self) -> str:
        """``verificarlo rr(24)``."""
        return self.mode.title

    @property
    def arithmetic(self) -> Arithmetic:
        """What every run conforms to."""
        return self.mode.arithmetic

    @property
    def random(self) -> bool:
        """Whether runs are samples."""
        return self.mode.seeded

    @property
    def rows(self) -> tuple[str, ...]:
        """One for each sample; a single one without noise."""
        return tuple(f"sample {i}" for i in range(self.sampling.samples)) if self.random else ("run",)

    @property
    def _block(self) -> int:
        """Samples of one process: a function of the network alone, so that results don't depend on the machine."""
        operations = max(sum(self.shared.build.emitted.total_operations.values()), 1)
        return int(min(max(PROCESS_OPERATIONS // operations, 1), len(self.rows)))

    def _seed(self, index: int, block: int) -> int:
        """Of one process: samples ``block * size ...`` of input ``index``."""
        state = np.random.SeedSequence([self.sampling.seed, index, block]).generate_state(1, np.uint64)
        return int(state[0] >> np.uint64(2))

    def run(self, inputs: Sequence[Array], first: int) -> Iterator[tuple[str, Array]]:
        """Every node, as the protocol has it.  Raises ToolError where a process fails, after killing the others."""
        build, rows, size = self.shared.build, len(self.rows), self._block
        count = len(inputs[0])
        runs, places = [], []
        for i in range(count):
            files = [build.save(f"in{k}-{i}.npy", x[i : i + 1]) for k, x in enumerate(inputs)]
            for block, start in enumerate(range(0, rows, size)):
                repeats = min(size, rows - start)
                words = ("./network", "--stream", "--nodes", "--repeat", str(repeats), *files)
                environment = self.mode.environment(self._seed(first + i, block))
                runs.append(Run(words, build.folder, environment, f"{self.title}, input {first + i}"))
                places.append((i, start, repeats))
        values = np.empty((rows, count, build.values), build.dtype)
        try:
            for at, output in build.pool.all(runs):
                i, start, repeats = places[at]
                values[start : start + repeats, i] = build.read(output.stdout, repeats)
        finally:
            for path in build.folder.glob("in*.npy"):
                path.unlink(missing_ok=True)
        for node in build.emitted.nodes:
            part = values[:, :, node.offset : node.offset + size_of(node.shape)]
            yield node.name, part.reshape(rows, count, *node.shape).astype(np.float64)

    def reproduce(self, row: int, index: int) -> str:
        """The environment and command that repeat one sample of one input in a Verificarlo build of ``boundnet emit-c``."""
        block, within = divmod(row, self._block)
        backends = self.mode.environment(self._seed(index, block))["VFC_BACKENDS"]
        files = " ".join(f"INPUT{k}.npy" for k in range(len(self.shared.build.emitted.inputs)))
        return f'VFC_BACKENDS="{backends}" ./network --repeat {within + 1} {files}, repetition {within + 1}, input {index}'

    def close(self) -> None:
        """Stop processes and, with the last execution of a job, delete the build."""
        if not self._closed:
            self._closed = True
            self.shared.release()


class VerificarloBackend:
    """Compiles the emitted C with ``verificarlo-c`` (:class:`boundnet.mca.backend.Backend`).

    Options of a job: ``verificarlo`` (path), ``container`` (image), ``workers``, ``timeout`` (seconds for each process).
    """

    def executions(self, job: Job) -> Sequence[VerificarloExecution]:
        """One for each sampling.

        Raises:
            ToolError: Verificarlo is absent or fails.
            FormatError: it has no such execution.
            UnsupportedLayerError: the network can't be written as C.
        """
        modes = [mode_for(job.arithmetic, sampling) for sampling in job.samplings]
        limit = job.options.get("timeout")
        limit = 600.0 if limit is None else float(limit)
        if not limit > 0.0:
            raise InputError(f"--timeout {limit:g}: give a number of seconds greater than 0")
        toolchain = find(job.options.get("verificarlo"), job.options.get("container"))
        build = Build(job.graph, job.arithmetic, toolchain, job.options.get("workers"), limit)
        shared = _Shared(build, len(modes))
        executed = sum(build.counted.values())
        notes = (f"Verificarlo {toolchain.version}; {executed:,} operations a sample, all of them instrumented (counted)",)
        found = []
        for mode, sampling in zip(modes, job.samplings, strict=True):
            ready = mode
            if mode.narrow is not None:
                ready = replace(mode, options=f"{mode.options} --precision-binary32={build.vprec_digits(mode)}")
            found.append(VerificarloExecution(job.graph, ready, sampling, shared, notes))
        return found
