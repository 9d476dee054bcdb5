"""What runs a network so that its results can be compared with bounds: the contract of a backend.

A backend turns a request into *executions*: ways of running the network, each with the Arithmetic that its runs conform to.
The core has ``builtin`` and ``verificarlo``; others are found through the entry points ``boundnet.backends``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.perturbation import Perturbation
from boundnet.errors import FormatError, InputError
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array

SampleMode = Literal["rr", "pb", "mca", "stochastic", "none"]


@dataclass(frozen=True)
class Sampling:
    """How to sample.

    Attributes:
        samples: runs of every input.
        mode: ``rr``, ``pb`` or ``mca`` at virtual ``precision``; ``stochastic`` rounding; ``none`` for one run as it is.
        precision: t, ignored by the last two.
        seed: of all noise.

    Raises:
        InputError, FormatError: a number out of range, or no such mode.
    """

    samples: int = 10
    mode: SampleMode = "rr"
    precision: int = 24
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.samples < 2**31:
            raise InputError(f"{self.samples} samples: at least 1 is needed")
        if not 0 <= self.seed < 2**64:
            raise InputError(f"seed {self.seed}: give a number in 0 .. 2**64 - 1")
        if self.mode not in ("rr", "pb", "mca", "stochastic", "none"):
            raise FormatError(f"mode {self.mode!r}: use rr, pb, mca, stochastic or none")
        if self.mode in ("rr", "pb", "mca"):
            Perturbation(self.mode, self.precision)

    @property
    def random(self) -> bool:
        """Whether runs differ from each other."""
        return self.mode != "none"

    def __str__(self) -> str:
        if self.mode in ("stochastic", "none"):
            return "stochastic rounding" if self.mode == "stochastic" else "as it is"
        return f"{self.mode}({self.precision})"


@dataclass(frozen=True)
class Job:
    """What is to be executed.

    Attributes:
        graph: the network.
        source: the model file it came from, for backends that run the real model; None where there is none.
        arithmetic: the machine; what it leaves open, an execution settles as it likes within it.
        samplings: one execution or more each.
        options: of single backends, by name, such as ``verificarlo`` (path of the compiler).
    """

    graph: LayerGraph
    source: str | None
    arithmetic: Arithmetic
    samplings: Sequence[Sampling] = (Sampling(),)
    options: Mapping[str, Any] = field(default_factory=dict)


class Execution(Protocol):
    """One way of running the network: R runs (samples, or variants of the program) of every input.

    Attributes:
        title: names it among the executions of a report, such as ``builtin rr(24)``.
        graph: what is executed: the job's graph, or the same with changed weights (a policy's).
        arithmetic: what every run conforms to; bounds for it must hold.
        rows: what distinguishes the R runs: ``sample 0`` ..., or ``eager, batch 1``.
        random: whether the runs are samples of one distribution.
        notes: what a reader should know.
    """

    @property
    def title(self) -> str: ...
    @property
    def graph(self) -> LayerGraph: ...
    @property
    def arithmetic(self) -> Arithmetic: ...
    @property
    def rows(self) -> Sequence[str]: ...
    @property
    def random(self) -> bool: ...
    @property
    def notes(self) -> Sequence[str]: ...

    def run(self, inputs: Sequence[Array], first: int) -> Iterator[tuple[str, Array]]:
        """Run a chunk of inputs; input ``first + i`` is the i-th of the chunk, whatever the chunk.

        Args:
            inputs: (N, *shape) for each Input node.

        Yields:
            (node, values (R, N, *shape) float64) for every node it can observe, outputs always, in topological order.
        """

    def reproduce(self, row: int, index: int) -> str:
        """How to repeat one run of one input."""

    def close(self) -> None:
        """Release processes and files; safe to call twice."""


class Backend(Protocol):
    """Something that executes networks."""

    def executions(self, job: Job) -> Sequence[Execution]:
        """The executions of ``job``.

        Raises:
            BoundNetError: a program it needs is absent (with what to install), or it can't run the job.
        """


_OWN = {"builtin": "boundnet.mca.builtin:backend", "verificarlo": "boundnet.mca.verificarlo:backend"}


def backends() -> tuple[str, ...]:
    """Names of all backends."""
    return tuple(sorted({*_OWN, *(point.name for point in entry_points(group="boundnet.backends"))}))


def backend(name: str) -> Backend:
    """The backend of that name.

    Raises:
        InputError: there is none; lists those that there are.
    """
    if name in _OWN:
        module, _, attribute = _OWN[name].partition(":")
        try:
            found: Backend = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise InputError(f"backend {name!r} is not part of this installation ({error}); use builtin") from None
        return found
    for point in entry_points(group="boundnet.backends", name=name):
        loaded: Backend = point.load()
        return loaded
    raise InputError(f"unknown backend {name!r}: use one of {', '.join(backends())}")


__all__ = ["Backend", "Execution", "Job", "Sampling", "backend", "backends"]
