"""Significant digits of samples, by the package ``significantdigits``.

CNH: the centred normality hypothesis of Sohier et al., Confidence intervals for stochastic arithmetic (TOMS 47(2), 2021);
general: the largest k for which every sample is within base**-k of the reference.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version

import numpy as np

from boundnet.mca.results import Digits, DigitsRule
from boundnet.rounding import Array

METHODS = ("cnh", "general")
ERRORS = ("relative", "absolute")
PROBABILITY = CONFIDENCE = 0.95
MOST = 53
"""Bits that are reported where all samples equal the reference."""


def digits_rule(base: int, reference: str) -> DigitsRule:
    """How :func:`significant` computes."""
    return DigitsRule(base, reference, PROBABILITY, CONFIDENCE, version("significantdigits"))


def significant(samples: Array, reference: Array, method: str, error: str, base: int) -> Array:
    """Significant digits of every element.

    Args:
        samples: (S, *shape), S >= 2 for CNH; reference: (*shape).

    Returns:
        (*shape) float64 from 0 to 53 bits' worth; 0 where a sample is not finite, or where the reference is 0, errors are
        relative and a sample is not 0.
    """
    from significantdigits import Error, Method, significant_digits

    most = MOST * np.log(2.0) / np.log(base)
    flat, about = samples.reshape(len(samples), -1), reference.reshape(-1)
    finite = np.isfinite(flat).all(axis=0) & np.isfinite(about)
    same = (flat == about).all(axis=0)
    usable = finite & ~same & ((about != 0.0) | (error == "absolute"))
    found = np.where(finite & same, most, 0.0)
    if usable.any():
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind = Error.Relative if error == "relative" else Error.Absolute
            way = Method.CNH if method == "cnh" else Method.General
            raw = significant_digits(flat[:, usable], about[usable], axis=0, basis=base, error=kind, method=way)
        raw = np.asarray(raw, dtype=np.float64)
        found[usable] = np.clip(np.where(np.isnan(raw), 0.0, raw), 0.0, most)
    return found.reshape(reference.shape)


def usable_methods(samples: int) -> tuple[str, ...]:
    """CNH needs a standard deviation, so two samples or more."""
    return METHODS if samples > 1 else METHODS[1:]


def summarise(method: str, error: str, values: Array) -> Digits:
    """The figures of a layer."""
    return Digits(method, error, float(values.min()), float(np.median(values)), float(values.mean()))
