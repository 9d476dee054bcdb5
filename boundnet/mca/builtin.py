"""The backend ``builtin``: the engine, no compiler and no framework needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.perturbation import Perturbation
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Execution, Job, Sampling
from boundnet.mca.engine.run import execute
from boundnet.mca.engine.settle import settled
from boundnet.numerics.outward import Array


def sampled(arithmetic: Arithmetic, sampling: Sampling) -> Arithmetic:
    """What runs conform to that are sampled like that on a machine of ``arithmetic``: gradual underflow where perturbed."""
    if sampling.mode == "none":
        return arithmetic
    if sampling.mode == "stochastic":
        return replace(arithmetic, name=f"{arithmetic.name}, stochastic rounding", rounding="stochastic")
    perturbation = Perturbation(sampling.mode, sampling.precision)
    below = "gradual" if arithmetic.subnormals == "either" else arithmetic.subnormals
    return replace(arithmetic, name=f"{arithmetic.name}, {perturbation}", perturbation=perturbation, subnormals=below)


@dataclass(frozen=True)
class EngineExecution:
    """One sampling on the engine; see :class:`boundnet.mca.backend.Execution`."""

    title: str
    graph: LayerGraph
    arithmetic: Arithmetic
    rows: Sequence[str]
    random: bool
    sampling: Sampling
    notes: Sequence[str] = (
        "elementary functions are binary64's, rounded once into the format, and carry no noise",
        "sums run in document order from a zero, the bias last unless the arithmetic says otherwise",
    )

    def run(self, inputs: Sequence[Array], first: int) -> Iterator[tuple[str, Array]]:
        return execute(self.graph, inputs, self.arithmetic, len(self.rows), self.sampling.seed, first)

    def reproduce(self, row: int, index: int) -> str:
        s = self.sampling
        return f"run {row} of input {index}: --backend builtin --mode {s.mode} --precision {s.precision} --seed {s.seed}"

    def close(self) -> None:
        """Nothing to release."""


class BuiltinBackend:
    """Makes an execution of each sampling."""

    def executions(self, job: Job) -> Sequence[Execution]:
        made = []
        for sampling in job.samplings:
            rules = settled(sampled(job.arithmetic, sampling))
            rows = [f"sample {i}" for i in range(sampling.samples)] if sampling.random else ["run"]
            title = f"builtin {rules.storage.name} {sampling}" if sampling.random else f"builtin {rules.name}"
            made.append(EngineExecution(title, job.graph, rules, tuple(rows), sampling.random, sampling))
        return made


backend = BuiltinBackend()
