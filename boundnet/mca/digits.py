"""Significant digits of samples, by the package ``significantdigits``, and where its hypothesis fails.

With Z the relative error X/y - 1 or the absolute one X - y of a sample X against the reference y (Sohier et al., Confidence
intervals for stochastic arithmetic, TOMS 47(2), 2021):

cnh: Z is normal around 0 (centred normality hypothesis), and s is the largest number such that |Z| <= 2**-s with
probability 0.95; what is returned is a lower confidence limit of s.
general: the largest whole k for which every sample has |Z| <= 2**-k; no hypothesis.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version

import numpy as np

from boundnet.mca.results import Digits, DigitsRule
from boundnet.numerics.outward import Array

METHODS = ("cnh", "general")
ERRORS = ("relative", "absolute")
PROBABILITY = CONFIDENCE = 0.95
MOST = 53
"""Bits that are reported where all samples equal the reference."""
CHANCE = 1e-3
"""Share of the elements that :func:`biased` names by chance, where errors are normal and centred."""


def digits_rule(base: int, reference: str, samples: int) -> DigitsRule:
    """How :func:`significant` computes from so many samples."""
    return DigitsRule(base, reference, PROBABILITY, CONFIDENCE, version("significantdigits"), repeated(samples))


def repeated(samples: int, doubt: float = 1.0 - CONFIDENCE) -> float:
    """Probability with which a further run does, at least, what all samples did; with confidence 1 - ``doubt``.

    Wilks's tolerance limit (1941), without any hypothesis: the largest error of S samples is not passed, or the class that
    all samples have is kept.  10 samples give 0.74, 59 give 0.95.
    """
    return float(doubt ** (1.0 / samples))


def significant(samples: Array, reference: Array, method: str, error: str, base: int, *, fitted: bool = False) -> Array:
    """Significant digits of every element.

    Args:
        samples: (S, *shape), S >= 2 for CNH; reference: (*shape).
        fitted: whether the reference is the samples' own mean.

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
        flat, about = flat[:, usable], about[usable]
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind = Error.Relative if error == "relative" else Error.Absolute
            way = Method.CNH if method == "cnh" else Method.General
            raw = significant_digits(flat, about, axis=0, basis=base, error=kind, method=way)
        raw = np.asarray(raw, dtype=np.float64)
        if method == "cnh":
            raw = raw - _beyond(flat - about, fitted) / np.log2(base)
        found[usable] = np.clip(np.where(np.isnan(raw), 0.0, raw), 0.0, most)
    return found.reshape(reference.shape)


def _beyond(errors: Array, fitted: bool) -> Array:
    """log2 of the spread that belongs into the CNH formula over the one that the package takes.

    The package takes the deviation about the samples' mean, divided by S.  For a reference that is fixed beforehand, the
    hypothesis centres errors at 0, and it is their squares about 0 whose sum is sigma**2 times a chi-square variable: an
    error that all samples share counts.  For the samples' own mean it is the deviation with S - 1.

    Args:
        errors: (S, n) samples minus reference; relative ones differ by a factor for each element only.
    """
    count = len(errors)
    if fitted:
        return np.full(errors.shape[1], 0.5 * np.log2(count / (count - 1.0)))
    largest = np.abs(errors).max(axis=0)
    scaled = errors / np.where(largest > 0.0, largest, 1.0)  # squares of tiny errors must not vanish
    about_mean, about_zero = scaled.std(axis=0), np.sqrt((scaled * scaled).mean(axis=0))
    # Where all samples are the same, the package takes their distance from the reference itself.
    varies = np.ptp(errors, axis=0) > 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(varies, np.log2(about_zero / about_mean), 0.0)


def biased(samples: Array, value: Array) -> Array:
    """Where the samples' mean lies farther from ``value`` than their spread explains (t-test, one in 1000 by chance).

    Errors that all runs share, such as casts, are seen so; CNH's hypothesis does not hold there, and digits against the
    samples' own mean leave them out.

    Args:
        samples: (S, *shape), S >= 2; value: (*shape).

    Returns:
        (*shape) booleans; False where something is not finite.
    """
    from scipy import stats

    count = len(samples)
    limit = float(stats.t.ppf(1.0 - CHANCE / 2.0, count - 1)) / np.sqrt(count)
    with np.errstate(all="ignore"):
        errors = samples - value
        far = np.abs(errors.mean(axis=0)) > limit * errors.std(axis=0, ddof=1)
        return np.asarray(far & np.isfinite(samples).all(axis=0) & np.isfinite(value))


def mean_of(samples: Array) -> Array:
    """(*shape) mean of (S, *shape); the samples themselves where all are the same, which a rounded sum may miss."""
    with np.errstate(all="ignore"):
        return np.asarray(np.where((samples == samples[0]).all(axis=0), samples[0], samples.mean(axis=0)))


def usable_methods(samples: int) -> tuple[str, ...]:
    """CNH needs a standard deviation, so two samples or more."""
    return METHODS if samples > 1 else METHODS[1:]


def summarise(method: str, error: str, values: Array) -> Digits:
    """The figures of a layer."""
    return Digits(method, error, float(values.min()), float(np.median(values)), float(values.mean()))
