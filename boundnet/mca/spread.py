"""The spread of one node's samples, gathered over chunks of inputs."""

from __future__ import annotations

import numpy as np

from boundnet.graph import LayerGraph
from boundnet.mca.digits import ERRORS, biased, mean_of, significant, summarise, usable_methods
from boundnet.mca.results import LayerSpread
from boundnet.numerics.outward import Array

MOST_ELEMENTS = 2048
"""Of each chunk, digits are counted for at most so many elements, evenly spaced."""


class Spread:
    """Accumulates what :class:`~boundnet.mca.results.LayerSpread` says of ``node``."""

    def __init__(self, graph: LayerGraph, node: str, base: int, reference: str) -> None:
        self.node, self.layer, self.kind, self.shape = node, graph.layer_of(node), graph.kind_of(node), graph.shape(node)
        self.base, self.reference = base, reference
        self.seen = False
        self.low, self.high, self.distance, self.non_finite = np.inf, -np.inf, 0.0, 0
        self._deviations: list[Array] = []
        self._biased: list[Array] = []
        self._digits: dict[tuple[str, str], list[Array]] = {}

    def add(self, samples: Array, centre: Array) -> None:
        """Take in a chunk: samples (S, N, *shape), float64 evaluation (N, *shape)."""
        self.seen = True
        finite = np.isfinite(samples)
        with np.errstate(all="ignore"):
            self.low = min(self.low, float(np.where(finite, samples, np.inf).min(initial=np.inf)))
            self.high = max(self.high, float(np.where(finite, samples, -np.inf).max(initial=-np.inf)))
            self.distance = max(self.distance, float(np.where(finite, np.abs(samples - centre), 0.0).max(initial=0.0)))
            self.non_finite += samples.size - int(finite.sum())
            flat, about = samples.reshape(len(samples), -1), centre.reshape(-1)
            step = max(-(-flat.shape[1] // MOST_ELEMENTS), 1)
            flat, about = flat[:, ::step], about[::step]
            if len(flat) > 1:
                self._deviations.append(flat.std(axis=0, ddof=1))
                self._biased.append(biased(flat, about))
            fitted = self.reference == "mean"
            about = mean_of(flat) if fitted else about
        for method in usable_methods(len(samples)):
            for error in ERRORS:
                self._digits.setdefault((method, error), []).append(
                    significant(flat, about, method, error, self.base, fitted=fitted)
                )

    def result(self) -> LayerSpread:
        """The figures."""
        deviations = np.concatenate(self._deviations) if self._deviations else np.zeros(1)
        digits = tuple(summarise(method, error, np.concatenate(v)) for (method, error), v in self._digits.items())
        share = float(np.concatenate(self._biased).mean()) if self._biased else None
        return LayerSpread(
            self.layer, self.kind, self.node, self.shape, self.low, self.high, float(deviations.max()),
            float(np.median(deviations)), self.distance, self.non_finite, digits, share,
        )  # fmt: skip
