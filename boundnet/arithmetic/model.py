"""Arithmetic: what a machine is allowed to do when it executes the graph.

A bound holds for *every* execution that conforms to the Arithmetic.  Fields left at ``any`` or ``either`` allow all
their values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from boundnet.arithmetic.formats import BINARY32, BINARY64, Format
from boundnet.arithmetic.perturbation import Perturbation
from boundnet.errors import FormatError
from boundnet.numerics.accuracy import GLIBC_FLOAT64, X86_FLOAT32, FunctionAccuracy
from boundnet.numerics.outward import Array, Mask, ufp, up

Rounding = Literal["nearest", "stochastic", "toward_zero", "any"]
Subnormals = Literal["gradual", "ftz", "ftz+daz", "either"]
Fma = Literal["yes", "no", "either"]
Bias = Literal["any", "first", "last", "separate"]
Normalisation = Literal["stored", "kept", "wide"]
Forms = Literal["any", "document"]
Ties = Literal["even", "any"]
Stores = Literal["all", "any"]


@dataclass(frozen=True)
class Order:
    """Order of the additions in a sum of n products.

    ``any``: every binary tree.  ``sequential``: one accumulator, leaves in document order.  ``blocked``: sequential within
    blocks of ``size`` leaves, then over the block sums.  ``pairwise``: the same blocks, their sums by recursive halving, the
    first half taking the odd block.  Blocks count all leaves in document order, those that meet padding or zeros included.
    A bias that is added first is what the first accumulator or the accumulator of block sums starts from, or blocks and
    halves are added to it.
    """

    kind: Literal["any", "sequential", "pairwise", "blocked"] = "any"
    size: int = 1

    def height(self, leaves: int) -> int:
        """Most additions on the path from one of ``leaves`` products to the sum, plus one for the product's rounding."""
        n = max(leaves, 1)
        if self.kind == "pairwise" and n > self.size:
            return self.size + int(np.ceil(np.log2(n / self.size)) + 1e-9)
        if self.kind == "blocked" and n > self.size:
            return self.size + -(-n // self.size) - 1
        return n

    def __str__(self) -> str:
        return self.kind if self.kind in ("any", "sequential") else f"{self.kind}({self.size})"


ANY = Order()
SEQUENTIAL = Order("sequential")


def parse_order(text: str) -> Order:
    """``any``, ``sequential``, ``pairwise``, ``pairwise(base)`` or ``blocked(k)``."""
    match = re.fullmatch(r"(any|sequential|pairwise|blocked)(?:\((\d+)\))?", text.strip().lower())
    if match is None or (match[1] in ("any", "sequential") and match[2]) or (match[1] == "blocked" and not match[2]):
        raise FormatError(f"unknown order {text!r}: use any, sequential, pairwise, pairwise(base) or blocked(k)")
    size = int(match[2] or 1)
    if size < 1:
        raise FormatError(f"order {text!r}: the size must be at least 1")
    return Order(match[1], size)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Arithmetic:
    """An execution model.

    Attributes:
        name: printed in results.
        storage: format of tensors in memory, weights and inputs included; each is rounded once.
        accumulate: format in which operations run before their result is stored.
        order: order of additions in sums.
        fma: whether multiply-adds are fused.
        rounding: of every operation; ``stochastic`` and ``any`` may go either way.
        subnormals: gradual underflow, results flushed, results and operands flushed, or any mix.
        functions: accuracy of elementary functions in ``accumulate``.
        bias: added to the sum as its first leaf, its last, after the sum was stored, or any of these.
        perturbation: Monte Carlo Arithmetic on every operation in ``accumulate``; None for none.
        normalisation: what batch, layer, group and RMS normalisations do on the way to their result: ``stored``: each
            operation's result is stored; ``kept``: it stays in ``accumulate``, literals too, and the layer's result alone is
            stored; ``wide``: the layer's weights, too, are held in ``accumulate``.  The same where ``accumulate`` is
            ``storage``.
        forms: of elementwise formulas: ``any`` of those that :mod:`boundnet.forms` derives, or the one that
            :mod:`boundnet.functions` and the ops list first (``document``), which emitted code computes.
        ties: where a value half-way between two numbers goes when it is stored to nearest.
        stores: whether every operation's result is really stored, or fused code may keep any of them in ``accumulate``:
            then storing is noise, and no step function (docs/explanation/theory.md).
    """

    name: str
    storage: Format = BINARY32
    accumulate: Format = BINARY32
    order: Order = ANY
    fma: Fma = "either"
    rounding: Rounding = "nearest"
    subnormals: Subnormals = "either"
    functions: FunctionAccuracy = field(default=X86_FLOAT32)
    bias: Bias = "any"
    perturbation: Perturbation | None = None
    normalisation: Normalisation = "kept"
    forms: Forms = "any"
    ties: Ties = "even"
    stores: Stores = "any"

    def __post_init__(self) -> None:
        if not self.accumulate.holds(self.storage):
            raise FormatError(
                f"arithmetic {self.name!r}: {self.accumulate.name} can't hold every value of {self.storage.name}; "
                "accumulate in the storage format or in a wider one"
            )
        if self.perturbation is not None and (not self.nearest or self.subnormals != "gradual" or self.accumulate.is_fixed):
            raise FormatError(
                f"arithmetic {self.name!r}: perturbed operations need rounding nearest, gradual underflow and a "
                "floating-point accumulator"
            )

    @property
    def nearest(self) -> bool:
        """Round to nearest: the sharper theorems apply."""
        return self.rounding == "nearest"

    @property
    def widens(self) -> bool:
        """Whether storing an accumulator's value rounds once more."""
        return not self.storage.contains(self.accumulate)

    @property
    def inside(self) -> Arithmetic:
        """The model that holds inside a normalisation: this one, or one that stores nothing."""
        if self.normalisation == "stored" or not self.widens:
            return self
        return replace(self, storage=self.accumulate)

    def weights(self, normalises: bool) -> Format:
        """The format that holds an op's weights; ``normalises``: of a normalisation."""
        return self.accumulate if normalises and self.normalisation == "wide" else self.storage

    @property
    def flushes(self) -> bool:
        """Whether results below the accumulator's smallest normal number may become zero."""
        return self.subnormals != "gradual"

    @property
    def flushes_operands(self) -> bool:
        """Whether operands below the accumulator's smallest normal number may be read as zero."""
        return self.subnormals in ("ftz+daz", "either")

    def unit(self, fmt: Format) -> float:
        """Factor of ufp(t) that bounds one rounding of t: u to nearest, 2u otherwise."""
        return fmt.unit_roundoff if self.nearest else 2.0 * fmt.unit_roundoff

    def relative(self, fmt: Format) -> float:
        """Factor of |t| that bounds one rounding of t: u/(1+u) to nearest (rounded up), 2u otherwise."""
        u = fmt.unit_roundoff
        return u / (1.0 + u) * (1.0 + 2.0**-50) if self.nearest else 2.0 * u

    def absolute(self, fmt: Format) -> float:
        """Largest rounding error below the smallest normal number: eta/2 to nearest, eta otherwise."""
        eta = fmt.smallest_subnormal
        if not fmt.subnormals and not fmt.is_fixed:
            return fmt.smallest_normal
        # Half of binary64's own smallest number is no float64.
        return max(eta / 2.0, 2.0**-1074) if self.nearest else eta

    def ulp(self, function: str) -> float:
        """Largest error of an elementary function in ulp; correct rounding is 1 ulp where it is not to nearest."""
        k = self.functions.of(function)
        return k if self.nearest else max(k, 1.0)

    def flush(self) -> float:
        """Largest error of flushing one value to zero: lambda of the accumulator, 0 under gradual underflow."""
        return self.accumulate.smallest_normal if self.flushes else 0.0

    def one_rounding(self, magnitude: Array, fmt: Format) -> Array:
        """Bound of |fl(t) - t| for every |t| <= ``magnitude``; flushing apart.

        The half-ulp bound u * ufp(t) (2u * ufp(t) if not nearest), u/(1+u) * |t| where smaller, eta/2 below the normal
        range.
        """
        if fmt.is_fixed:
            return np.where(magnitude > 0, self.absolute(fmt), 0.0)
        error = np.minimum(self.unit(fmt) * ufp(magnitude), magnitude * (self.relative(fmt) * (1.0 + 2.0**-50)))
        error = np.maximum(error, self.absolute(fmt))
        return np.where(magnitude == 0.0, 0.0, np.where(np.isnan(error), np.inf, error))

    def half_range(self, magnitude: Array, fmt: Format) -> Array:
        """Half the length of the interval that holds fl(t) - t once t, |t| <= ``magnitude``, is known: u * ufp(t).

        To nearest it is the largest error.  Stochastic rounding chooses between neighbours 2u * ufp(t) apart, with an error
        of mean zero: half that range is what the inequalities of Hoeffding and Azuma depend on, not its size.  What a format
        without subnormals loses below its normal range is not in it.
        """
        spacing = np.zeros(np.shape(magnitude)) if fmt.is_fixed else fmt.unit_roundoff * ufp(magnitude)
        found = np.maximum(spacing, max(fmt.smallest_subnormal / 2.0, 2.0**-1074))
        return np.where(magnitude == 0.0, 0.0, np.where(np.isnan(magnitude), np.inf, found))

    @property
    def exact_stays(self) -> bool:
        """Whether an operation is exact wherever the accumulator holds its exact result (flushing apart)."""
        return self.perturbation is None or self.perturbation.keeps(self.accumulate.precision)

    @property
    def operation_relative(self) -> float:
        """Bound of the relative error of one product, quotient or sum of nonnegative numbers in the accumulator."""
        if self.perturbation is None:
            return self.relative(self.accumulate)
        return self.perturbation.largest(self.accumulate.unit_roundoff)

    def operation(self, magnitude: Array, operands: Array | None = None) -> Array:
        """Bound of the error of one operation in the accumulator; flushing apart.

        Args:
            magnitude: bound of the exact result.
            operands: bound of |a| + |b| for a sum or difference a +- b, None for products and quotients.  Only perturbed
                operations depend on it: their error is not relative to the result of a cancellation.
        """
        if self.perturbation is None:
            return self.one_rounding(magnitude, self.accumulate)
        p, v = self.perturbation, self.accumulate.unit_roundoff
        if operands is None:
            error = magnitude * max(p.product(v), p.quotient(v))
            nothing = magnitude == 0.0
        else:
            # (c - 1)|a + b| + c eps (|a| + |b|)
            error = magnitude * p.rounding(v) + operands * ((1.0 + p.rounding(v)) * p.operands)
            nothing = (magnitude == 0.0) & (operands == 0.0)
        error = up(error, 6) + self.absolute(self.accumulate)
        return np.where(nothing, 0.0, np.where(np.isnan(error), np.inf, error))

    def one_operation(self, magnitude: Array, operands: Array | None = None) -> Array:
        """Bound of the error of one operation whose exact result is at most ``magnitude``: round, flush, store.

        ``operands``: as in :meth:`operation`.
        """
        error = self.operation(magnitude, operands) + np.where(magnitude == 0.0, 0.0, self.flush())
        return self.store(magnitude, up(error, 1))

    def store(self, magnitude: Array, error: Array) -> Array:
        """Total error once a value off by ``error`` from an exact one of at most ``magnitude`` is stored."""
        if not self.widens:
            return error
        return up(error + self.one_rounding(up(magnitude + error, 1), self.storage), 2)

    def overflows(self, accumulated: Array, stored: Array) -> Mask:
        """True where a value of at most ``accumulated`` in the accumulator, or ``stored`` in memory, may pass the
        largest one.

        NaN counts as passing.  Reaching the largest finite value counts too, which is safe for every overflow rule.
        """
        return ~(accumulated < self.accumulate.largest) | ~(stored < self.storage.largest)

    def describe(self) -> dict[str, object]:
        """The fields as plain values, as results store them."""
        return {
            "name": self.name,
            "storage": self.storage.name,
            "accumulate": self.accumulate.name,
            "order": str(self.order),
            "fma": self.fma,
            "rounding": self.rounding,
            "subnormals": self.subnormals,
            "bias": self.bias,
            "normalisation": self.normalisation,
            "forms": self.forms,
            **({"ties": self.ties, "stores": self.stores} if self.widens else {}),
            "functions": {"name": self.functions.name, "ulp": dict(self.functions.ulps), "source": self.functions.source},
            "unit_roundoff": self.storage.unit_roundoff,
            "formats": {"storage": self.storage.describe(), "accumulate": self.accumulate.describe()},
            **({} if self.perturbation is None else {"perturbation": str(self.perturbation)}),
        }


OWN = Arithmetic("boundnet-float64", BINARY64, BINARY64, ANY, "either", "nearest", "gradual", GLIBC_FLOAT64, "any",
                 forms="document")  # fmt: skip
"""The analyzer's own evaluation of the centre: NumPy and BLAS in binary64."""
