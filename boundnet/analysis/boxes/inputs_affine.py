"""Affine forms that know which of their symbols came from the inputs."""

from __future__ import annotations

import numpy as np

from boundnet.domains import AffineDomain
from boundnet.domains.symbols import Ids
from boundnet.numerics.outward import Array


class InputForms(AffineDomain):
    """Affine forms whose inputs' symbols are named at once, so that what becomes of each input can be followed."""

    def __init__(self, consumers: dict[str, int], limit: int) -> None:
        super().__init__(consumers, limit)
        self._entered: list[tuple[Ids, Ids, int]] = []

    def enter(self, name: str, radius: Array) -> Array:
        known = super().enter(name, radius)
        first = self._next
        self._name(name)
        flat = np.where(np.isfinite(radius), radius, 0.0).reshape(len(radius), -1)
        self._entered.append((np.arange(first, self._next), np.flatnonzero(flat.any(axis=0)), flat.shape[1]))
        return known

    def moved(self, node: str) -> Array:
        """How far each input element alone moves ``node``, summed over the node's elements: (N, n), by the forms' slopes."""
        form = self._forms[node].worst
        size = np.abs(form.coefficients).sum(axis=tuple(range(2, form.coefficients.ndim)))
        by_id = dict(zip(form.ids.tolist(), size, strict=True))
        parts = []
        for ids, elements, count in self._entered:
            part = np.zeros((len(form.fresh), count))
            for number, element in zip(ids.tolist(), elements.tolist(), strict=True):
                if number in by_id:
                    part[:, element] = by_id[number]
            parts.append(part)
        return np.concatenate(parts, axis=1)
