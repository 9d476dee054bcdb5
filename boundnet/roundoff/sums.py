"""Sums of products as the theorems see them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.maps.base import LinearMap
from boundnet.numerics.outward import Array, Mask
from boundnet.roundoff.grids import Exponents


@dataclass(frozen=True)
class Sum:
    """A family of inner products y = L x + bias, one for each output element.

    Attributes:
        map: L, a sum of products.
        centre: x~, (N, *input_shape).
        radius: E, bound of |x^ - x~| for every execution.
        nonzero: which inputs can be anything but exactly zero.
        bias: (c,) or None, broadcasting against the output.
        products: False where the weights are ones and nothing is multiplied.
        noise: |L| of what storing the weights may change, None for nothing.
        bias_noise: the same of the bias, shape of ``bias``.
        grid: exponents of powers of two that divide every x^, as :attr:`centre`; None where nothing is known.
    """

    map: LinearMap
    centre: Array
    radius: Array
    nonzero: Mask
    bias: Array | None
    products: bool = True
    noise: LinearMap | None = None
    bias_noise: Array | None = None
    grid: Exponents | None = None

    @cached_property
    def leaves(self) -> Array:
        """Number of products of each sum that can be nonzero."""
        return np.asarray(self.map.count(self.nonzero))

    def exact_stays(self, rules: Arithmetic) -> bool:
        """Whether adding 0 and multiplying by :attr:`whole` inputs are exact.

        Under a perturbation only if every weight is representable: code may keep a weight wider than the storage format, and
        then such an operation rounds it, with noise, where otherwise the cast's error would cover that.
        """
        cast = self.noise is not None or (self.bias_noise is not None and bool(np.any(self.bias_noise)))
        return rules.perturbation is None or (rules.exact_stays and not cast)

    @cached_property
    def whole(self) -> Mask:
        """Inputs that are the same power of two, 1 or more in magnitude, in every execution: their products are exact."""
        with np.errstate(invalid="ignore"):
            power = np.abs(np.frexp(self.centre)[0]) == 0.5
            found: Mask = power & (self.radius == 0.0) & (np.abs(self.centre) >= 1.0)
        return found
