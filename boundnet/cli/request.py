"""The options of ``boundnet analyze``, checked as far as that needs no model."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from boundnet.errors import InputError, OutputError
from boundnet.results.files import check_destination, resolved


@dataclass(frozen=True)
class Request:
    """The options, as given.

    Attributes:
        arithmetic: keyword arguments of :func:`boundnet.build` ("name" for its first), None where not given.
        files: report name -> destination.
        mca: samples to compare with the bounds, None for none.
        jobs: processes that share the work; results do not depend on it.
        checkpoint: file that keeps what is done, None for none.
        box, radius, inputs_exact ("yes", "no"), splits, time_limit: boxes of inputs and how far to cut them.
    """

    model: Path
    inputs: Sequence[str] = ()
    input_shapes: Sequence[str] = ()
    resize: tuple[int, int] | None = None
    scale: str | None = None
    offset: str | None = None
    samples: int | None = None
    input_range: tuple[float, float] | None = None
    seed: int = 0
    arithmetic: Mapping[str, str | None] = field(default_factory=dict)
    domain: Literal["auto", "interval", "affine", "sketch"] = "auto"
    decision: str = "auto"
    reference: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    quiet: bool = False
    coins: int | None = None
    mca: int | None = None
    jobs: int = 1
    checkpoint: Path | None = None
    guarantee: Literal["worst-case", "probabilistic"] = "worst-case"
    lam: float | None = None
    effort: float = 1.0
    box: Sequence[str] = ()
    radius: float | None = None
    inputs_exact: str | None = None
    splits: int | None = None
    time_limit: float | None = None

    @property
    def boxes(self) -> bool:
        """Whether boxes of inputs are to be bounded."""
        return bool(self.box) or self.radius is not None

    def check(self) -> None:
        """Raise InputError or OutputError for what can be told before any work."""
        inputs = [path for spec in self.inputs for path in _paths(spec)]
        ends = [path for spec in self.box for path in _paths(spec)]
        sources = {"the model": [self.model], "the inputs": inputs, "the box": ends}
        if self.checkpoint is not None:
            check_destination(self.checkpoint, replaced=False)
            check_files({"checkpoint": self.checkpoint}, sources)
            sources["the checkpoint"] = [self.checkpoint]
        check_files(self.files, sources)
        check_boxes(self)
        if self.samples is not None and self.samples < 1:
            raise InputError(f"--samples {self.samples}: at least 1 is needed")
        pixels = [f"--{name}" for name in ("resize", "scale", "offset") if getattr(self, name) is not None]
        if pixels and not self.inputs:
            raise InputError(f"{pixels[0]} is for images: give them with --inputs")
        if self.resize is not None and min(self.resize) < 1:
            raise InputError(f"--resize {self.resize[0]} {self.resize[1]}: give a height and a width in pixels")
        if self.input_range is not None:
            low, high = self.input_range
            if self.inputs:
                raise InputError("--input-range is for random inputs; leave it out with --inputs")
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise InputError(f"--input-range {low:g} {high:g}: give two finite numbers, the smaller one first")
        if self.coins is not None and not 0 <= self.coins < 2**63:
            raise InputError(f"--coins {self.coins}: give a number in 0 .. 2**63 - 1")
        if not (math.isfinite(self.effort) and self.effort >= 0.0):
            raise InputError(f"--effort {self.effort:g}: give a number that is not negative, such as 10")
        if self.lam is not None and self.guarantee == "worst-case":
            raise InputError("--lambda is for --guarantee probabilistic")
        if self.lam is not None and not (math.isfinite(self.lam) and self.lam > 0.0):
            raise InputError(f"--lambda {self.lam:g}: give a positive number, such as 8")
        if self.mca is not None and self.mca < 1:
            raise InputError(f"--mca {self.mca}: at least 1 sample is needed")
        if self.jobs < 1:
            raise InputError(f"--jobs {self.jobs}: at least 1 process is needed")
        if self.seed < 0:
            raise InputError(f"--seed {self.seed}: give a number that is not negative")

    def shapes(self) -> dict[str, tuple[int, ...]] | None:
        """``NAME=8,8,1`` -> {NAME: (8, 8, 1)}; see :func:`parse_shapes`."""
        return parse_shapes(self.input_shapes)

    def command(self) -> tuple[str, ...]:
        """A command line that repeats the analysis, without its files."""
        words = ["boundnet", "analyze", str(self.model)]
        for option, values in (
            ("--inputs", [[text] for text in self.inputs]),
            ("--box", [text.split() if _numbers(text) else [text] for text in self.box]),
            ("--input-shape", [[text] for text in self.input_shapes]),
            ("--resize", [self.resize] if self.resize else []),
            ("--input-range", [[repr(end) for end in self.input_range]] if self.input_range else []),
        ):
            for value in values:
                words += [option, *map(str, value)]
        names = {"name": "--arithmetic", "storage": "--format"}
        single = {
            "--radius": self.radius, "--inputs-exact": self.inputs_exact, "--splits": self.splits,
            "--time-limit": self.time_limit,
            "--scale": self.scale, "--offset": self.offset, "--samples": self.samples, "--seed": self.seed or None,
            **{names.get(key, f"--{key}"): value for key, value in self.arithmetic.items()},
            "--domain": None if self.domain == "auto" else self.domain,
            "--coins": self.coins,
            "--effort": None if self.effort == 1.0 else repr(self.effort),
            "--guarantee": None if self.guarantee == "worst-case" else self.guarantee,
            "--lambda": self.lam,
            "--decision": None if self.decision == "auto" else self.decision,
            "--reference": self.reference,
            "--mca": self.mca,
        }  # fmt: skip
        for option, given in single.items():
            words += [] if given is None else [option, str(given)]
        return tuple(words)


def check_boxes(request: Request) -> None:
    """Raise InputError for options that don't fit together where boxes of inputs are concerned, or miss their box."""
    r = request
    if not r.boxes:
        for option, value in (("--inputs-exact", r.inputs_exact), ("--splits", r.splits), ("--time-limit", r.time_limit)):
            if value is not None:
                raise InputError(f"{option} is for boxes of inputs: give --box, or --inputs with --radius")
        return
    if r.box and r.inputs:
        raise InputError("--box and --inputs: give one of them; --inputs with --radius bounds a box around each input")
    if r.box and r.radius is not None:
        raise InputError("--box and --radius: a radius is for --inputs; a box has its ends")
    if r.radius is not None and not r.inputs:
        raise InputError("--radius: give the inputs in the middle of the boxes with --inputs")
    if r.radius is not None and not (math.isfinite(r.radius) and r.radius >= 0.0):
        raise InputError(f"--radius {r.radius:g}: give a finite number that is not negative")
    if r.splits is not None and r.splits < 0:
        raise InputError(f"--splits {r.splits}: give a number that is not negative")
    if r.time_limit is not None and not (math.isfinite(r.time_limit) and r.time_limit > 0.0):
        raise InputError(f"--time-limit {r.time_limit:g}: give a positive number of seconds")
    samples = r.samples if r.box else None
    effort = None if r.effort == 1.0 else r.effort
    given = (r.reference, r.mca, r.coins, r.input_range, samples, effort)
    names = ("--reference", "--mca", "--coins", "--input-range", "--samples", "--effort")
    for option, used in zip(names, given, strict=True):
        if used is not None:
            raise InputError(f"{option} is for single inputs; leave it out with boxes")
    if r.domain == "sketch":
        raise InputError("--domain sketch is for single inputs; boxes take auto, affine or interval")


def check_files(files: Mapping[str, Path], sources: Mapping[str, Sequence[Path]]) -> None:
    """Raise OutputError unless every destination (by option) can be written and none is another one or a source."""
    taken = {resolved(path): what for what, paths in sources.items() for path in paths}
    for kind, path in files.items():
        check_destination(path)
        what = taken.get(resolved(path))
        if what is not None and (path.is_file() or not path.exists()):
            raise OutputError(f"{path}: --{kind} would overwrite {what}")
        taken[resolved(path)] = f"--{kind}"


def parse_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]] | None:
    """Shapes by input name, None if there are none.

    Raises:
        InputError: one is not of the form NAME=SIZES.
    """
    shapes = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        try:
            shapes[name] = tuple(int(size) for size in sizes.split(","))
        except ValueError:
            shapes[name] = ()
        if not name or not shapes[name] or min(shapes[name]) < 1:
            raise InputError(f"--input-shape {text}: give NAME=SIZES without the batch axis, such as image=28,28,1")
    return shapes or None


def _numbers(spec: str) -> bool:
    """Whether a --box argument is two numbers, perhaps behind a name, and not a file."""
    words = spec.split()
    return len(words) == 2 and not os.path.isfile(spec)


def _paths(spec: str) -> list[Path]:
    """Files that an --inputs argument may mean: FILE, FILE:key, NAME=FILE."""
    forms = {spec, spec.rpartition(":")[0], spec.partition("=")[2]}
    return [Path(form) for form in forms if form and os.path.isfile(form)]
