"""Weights that several calls of one layer share stay one set of weights."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from boundnet.ops.base import Op


class SharedOps:
    """The ops that each part of each layer has become so far.

    A graph counts parameters, and casts them, once for each op: calls that compute the same must have the same op.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, list[Op]] = {}

    def first(self, key: Hashable, op: Op) -> Op:
        """The op that an earlier call of ``key`` gave, if it equals ``op``; else ``op``.

        Args:
            key: names the layer, and its part where it has several.
        """
        earlier = self._known.setdefault(key, [])
        for other in earlier:
            if other is op or (type(other) is type(op) and _equal(vars(other), vars(op))):
                return other
        earlier.append(op)
        return op


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two ops have the same fields (what they cache, in names with an underscore, aside)."""
    fields = {key for key in (*one, *other) if not key.startswith("_")}
    return all(key in one and key in other and np.array_equal(one[key], other[key]) for key in fields)
