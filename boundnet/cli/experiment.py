"""Options that ``boundnet mca`` and ``boundnet crosscheck`` share, checked before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boundnet.cli.request import Request
from boundnet.errors import InputError
from boundnet.mca.backend import Sampling, backends

PAGES = ("html", "markdown")
"""Files that reports write, found through their entry points."""


@dataclass(frozen=True)
class Noise:
    """How to execute.

    Attributes:
        backends: names, separated by commas.
        modes, precisions: likewise; every mode that has a precision is run at every one.
        samples: runs of every input.
        seed: of the noise.
        options: of single backends, None where not given.
    """

    backends: str = "builtin"
    modes: str = "rr"
    precisions: str = "24"
    samples: int = 10
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def names(self) -> list[str]:
        """The backends.

        Raises:
            InputError: one does not exist.
        """
        found = _words(self.backends, "--backend")
        unknown = [name for name in found if name not in backends()]
        if unknown:
            raise InputError(f"--backend {unknown[0]}: use one of {', '.join(backends())}")
        return found

    def samplings(self) -> list[Sampling]:
        """Every mode at every precision.

        Raises:
            BoundNetError: a mode or number that does not exist.
        """
        made = []
        try:
            precisions = [int(text) for text in _words(self.precisions, "--precision")]
        except ValueError:
            raise InputError(f"--precision {self.precisions}: give bits such as 24, or several such as 24,16,11") from None
        for mode in _words(self.modes, "--mode"):
            single = mode in ("stochastic", "none")
            for precision in precisions[:1] if single else precisions:
                samples = 1 if mode == "none" else self.samples
                made.append(Sampling(samples, mode, precision, self.seed))  # type: ignore[arg-type]
        return made

    def words(self) -> list[str]:
        """The options as a command line has them."""
        words = ["--backend", self.backends, "--mode", self.modes, "--precision", self.precisions]
        words += ["--samples", str(self.samples), "--seed", str(self.seed)]
        for key, value in self.options.items():
            words += [] if value is None else [f"--{key.replace('_', '-')}", str(value)]
        return words


def _words(text: str, option: str) -> list[str]:
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise InputError(f"{option}: nothing given")
    return found


def command(request: Request, noise: Noise, name: str, more: Sequence[str] = ()) -> tuple[str, ...]:
    """A command line that repeats the run, without its files."""
    words = list(request.command())
    words[1] = name
    for given, own in (("--samples", "--first"), ("--seed", "--input-seed")):
        if given in words:
            words[words.index(given)] = own
    return (*words, *noise.words(), *more)


Files = Mapping[str, Path]
