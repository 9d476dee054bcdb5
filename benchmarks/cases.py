"""Networks to measure: those that ``benchmarks.networks`` and ``benchmarks.trained`` have built, and small trained ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import trained
from benchmarks.networks import FAMILIES

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "models"
Images = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One network with images, exact as float32: ``images(n)`` gives the first n, (n, *input shape)."""

    name: str
    model: Path
    images: Callable[[int], Images]


def find_cases(nets: Path) -> Mapping[str, Case]:
    """Every network there is, small ones first, by name."""
    found = [Case("example", ROOT / "examples" / "digits_cnn.h5", _digits(ROOT / "examples" / "digits_test.npz"))]
    if SHARED.is_dir():
        references = SHARED / "data" / "reference_io"
        faces, cifar = SHARED / "face_xception", SHARED / "mlperf_tiny"
        digits = SHARED / "digits"
        resnet = "resnet8_cifar10_pretrainedResnet.h5"
        found += [
            Case("digits", digits / "digits.h5", _digits(digits / "digits_test.npz")),
            Case("mini_xception", faces / "fer2013_mini_XCEPTION.102-0.66.hdf5", _faces),
            Case("resnet8", cifar / resnet, _stored(references / f"mlperf_tiny__{resnet}.npz")),
        ]
    for name in (trained.NAME, *FAMILIES):
        if (nets / f"{name}.keras").exists():
            found.append(Case(name, nets / f"{name}.keras", _array(nets / f"{name}_images.npy")))
    return {case.name: case for case in found if case.model.exists()}


def _digits(path: Path) -> Callable[[int], Images]:
    def images(count: int) -> Images:
        with np.load(path) as data:
            return _exact(data["inputs"][:count])

    return images


def _stored(path: Path) -> Callable[[int], Images]:
    def images(count: int) -> Images:
        with np.load(path) as data:
            return _exact(data["x"][:count])

    return images


def _array(path: Path) -> Callable[[int], Images]:
    return lambda count: _exact(np.load(path, mmap_mode="r")[:count])


def _faces(count: int) -> Images:
    """Photos in grey, 64 x 64, in [-1, 1]."""
    from benchmarks.images import images

    grey = np.rint(images(count, 64).mean(axis=-1, keepdims=True))
    return _exact(grey / 127.5 - 1.0)


def _exact(values: npt.NDArray[np.generic]) -> Images:
    """Rounded to float32, so that Keras and the analysis take the very same numbers."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)
