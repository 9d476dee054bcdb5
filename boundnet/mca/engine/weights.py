"""Weights among the engine's values: without lanes, since every run has the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.numerics.outward import Array


class Weight(np.ndarray[Any, np.dtype[np.float64]]):
    """A weight as :meth:`boundnet.mca.engine.machine.EngineMachine.parameter` returns it.

    Entries taken from it by index are ordinary values.
    """

    alone: bool = False


def alone(value: Array) -> Weight:
    """``value`` as a weight, on which every lane operates anew."""
    weight = value.view(Weight)
    weight.alone = True
    return weight
