"""Ops that are sums of products with stored weights: dense layers, convolutions, average pooling."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.errors import GraphError
from boundnet.maps import BatchDenseMap, ConvMap, DenseMap, LinearMap, TransposedConvMap, WindowSum
from boundnet.maps.conv import Pairs
from boundnet.numerics.outward import Array, up
from boundnet.ops.base import Local, Op, Shape, Tensor, require_rank, with_arrays
from boundnet.roundoff.exact_sums import quotient_exact
from boundnet.roundoff.mean_independent.roundings import MeanIndependent
from boundnet.roundoff.mean_independent.split import Split
from boundnet.roundoff.rounder import Rounder


class _SumOfProducts(Op):
    """y = L x + bias with stored weights.  Fields ``kernel`` and ``bias`` (None for no bias) are float64, exact."""

    kernel: Array
    bias: Array | None

    @abstractmethod
    def build(self, shape: Shape) -> LinearMap:
        """The linear map for an input of ``shape``."""

    def linear(self, shape: Shape) -> LinearMap:
        """The linear map for an input of ``shape``, built once."""
        cache: dict[Shape, LinearMap] = self.__dict__.setdefault("_maps", {})
        if shape not in cache:
            cache[shape] = self.build(shape)
        return cache[shape]

    def output_shape(self, *shapes: Shape) -> Shape:
        output = self.linear(shapes[0]).output_shape
        if self.bias is not None and np.broadcast_shapes(self.bias.shape, output) != output:
            raise GraphError(f"{self.describe()}: a bias of shape {self.bias.shape} does not fit an output of {output}")
        return output

    def centre(self, *xs: Array) -> Array:
        y = self.linear(xs[0].shape[1:]).apply(xs[0])
        return y if self.bias is None else y + self.bias

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return machine.inner_product(self.linear(xs[0].shape[1:]), xs[0], self.bias)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        linear = self.linear(x.centre.shape[1:])
        error, overflow = rounder.inner(linear, x, self.bias, self.centre(x.centre))
        empty = linear.count(x.nonzero) == 0.0
        if self.bias is not None:
            empty = empty & (self.bias == 0.0)
        # 0 * inf is NaN: nothing is exactly zero where an input or a stored weight may have overflowed.
        return Local((linear,), error, empty & np.isfinite(error) & ~overflow, overflow)

    def split(self, errors: MeanIndependent, *xs: Tensor) -> Split | None:
        (x,) = xs
        return errors.inner(self.linear(x.centre.shape[1:]), x, self.bias, self.centre(x.centre))

    def stores_once(self, rules: Arithmetic, operands: int) -> bool:
        return True

    def parameters(self) -> tuple[Array, ...]:
        return (self.kernel,) if self.bias is None else (self.kernel, self.bias)

    def cast(self, change: Callable[[Array], Array]) -> Self:
        return with_arrays(self, change, "kernel", "bias")  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Dense(_SumOfProducts):
    """y = x @ kernel + bias over the last axis.  kernel: (n, m), bias: (m,) or None."""

    kernel: Array
    bias: Array | None = None

    def build(self, shape: Shape) -> LinearMap:
        if not shape or shape[-1] != self.kernel.shape[0]:
            raise GraphError(f"Dense with a kernel of shape {self.kernel.shape} does not fit an input of shape {shape}")
        return DenseMap(self.kernel, shape[:-1])

    def describe(self) -> str:
        return f"Dense {self.kernel.shape[0]} -> {self.kernel.shape[1]}"


@dataclass(frozen=True, eq=False)
class BatchMatMul(_SumOfProducts):
    """One dense layer for each index of the batch-like axes.  kernel: (*batch, n, m); x: (*front, *batch, n)."""

    kernel: Array
    bias: Array | None = None

    def build(self, shape: Shape) -> LinearMap:
        inner = (*self.kernel.shape[:-2], self.kernel.shape[-2])
        if shape[len(shape) - len(inner) :] != inner:
            raise GraphError(f"BatchMatMul with a kernel of {self.kernel.shape} does not fit an input of shape {shape}")
        return BatchDenseMap(self.kernel, shape[: len(shape) - len(inner)])


@dataclass(frozen=True, eq=False)
class Conv(_SumOfProducts):
    """Cross-correlation.  kernel: (*k, cin // groups, cout), bias: (cout,) or None, padding with explicit zeros.

    Order of the leaves: kernel positions in C order, input channels innermost.
    """

    kernel: Array
    bias: Array | None = None
    strides: Shape = ()
    dilation: Shape = ()
    groups: int = 1
    padding: Pairs = ()

    def build(self, shape: Shape) -> LinearMap:
        axes = self.kernel.ndim - 2
        require_rank(shape, axes + 1, self.describe())
        ones, none = (1,) * axes, ((0, 0),) * axes
        cin, cout = self.kernel.shape[-2:]
        if shape[-1] != cin * self.groups or cout % self.groups:
            raise GraphError(
                f"{self.describe()}: kernel {self.kernel.shape} with {self.groups} groups does not fit an input of {shape}"
            )
        return ConvMap(self.kernel, shape[:-1], shape[-1], self.strides or ones, self.dilation or ones, self.groups,
                       self.padding or none)  # fmt: skip

    def describe(self) -> str:
        size = "x".join(map(str, self.kernel.shape[:-2]))
        groups = "" if self.groups == 1 else f", groups {self.groups}"
        return f"Conv {size}, {self.kernel.shape[-2] * self.groups} -> {self.kernel.shape[-1]}{groups}"


@dataclass(frozen=True, eq=False)
class ConvTranspose(_SumOfProducts):
    """Transposed convolution.  kernel: (*k, cout // groups, cin); full length (n-1) s + (k-1) d + 1 + extra, then cropped.

    Every output sums its terms over kernel positions in C order, input channels innermost.
    """

    kernel: Array
    bias: Array | None = None
    strides: Shape = ()
    dilation: Shape = ()
    crop: Pairs = ()
    extra: Shape = ()
    groups: int = 1

    def build(self, shape: Shape) -> LinearMap:
        axes = self.kernel.ndim - 2
        require_rank(shape, axes + 1, self.describe())
        strides, dilation = self.strides or (1,) * axes, self.dilation or (1,) * axes
        crop, extra = self.crop or ((0, 0),) * axes, self.extra or (0,) * axes
        if shape[-1] != self.kernel.shape[-1]:
            raise GraphError(f"{self.describe()}: kernel {self.kernel.shape} does not fit an input of shape {shape}")
        lengths = []
        for n, k, s, d, (low, high), e in zip(shape, self.kernel.shape, strides, dilation, crop, extra, strict=False):
            length = (n - 1) * s + (k - 1) * d + 1 + e - low - high
            if length < 1 or low < 0:
                raise GraphError(f"{self.describe()}: nothing is left of an input of shape {shape} after cropping")
            lengths.append(length)
        padding = tuple(
            (low, (n - 1) * s + (k - 1) * d + 1 - length - low)
            for n, k, s, d, (low, _), length in zip(shape, self.kernel.shape, strides, dilation, crop, lengths, strict=False)
        )
        if any(high < 0 for _, high in padding):
            # More output than the input reaches: the surplus is bias alone.
            return self._surplus(shape, strides, dilation, padding, tuple(lengths))
        return TransposedConvMap(self._conv(tuple(lengths), strides, dilation, padding))

    def _conv(self, lengths: Shape, strides: Shape, dilation: Shape, padding: Pairs) -> ConvMap:
        channels = self.kernel.shape[-2] * self.groups
        return ConvMap(self.kernel, lengths, channels, strides, dilation, self.groups, padding)

    def _surplus(self, shape: Shape, strides: Shape, dilation: Shape, padding: Pairs, lengths: Shape) -> LinearMap:
        # A longer output meets a shorter window grid: ConvMap floors its length, so the tail cells get no term.
        padding = tuple((low, max(high, 0)) for low, high in padding)
        conv = self._conv(lengths, strides, dilation, padding)
        if conv.output_shape[:-1] != shape[:-1]:
            raise GraphError(f"{self.describe()}: output padding reaches a whole stride; it must be less than the stride")
        return TransposedConvMap(conv)

    def describe(self) -> str:
        size = "x".join(map(str, self.kernel.shape[:-2]))
        return f"ConvTranspose {size}, {self.kernel.shape[-1]} -> {self.kernel.shape[-2] * self.groups}"


@dataclass(frozen=True, eq=False)
class AveragePool(Op):
    """Mean over the real cells of every window, channel by channel: a sum, then a division (or a product with 1/n)."""

    size: Shape
    strides: Shape = ()
    padding: Pairs = ()

    def window(self, shape: Shape) -> tuple[WindowSum, Array]:
        """The sum over windows and the number of real cells in each."""
        axes = len(self.size)
        require_rank(shape, axes + 1, self.describe())
        cache: dict[Shape, tuple[WindowSum, Array]] = self.__dict__.setdefault("_maps", {})
        if shape not in cache:
            total = WindowSum(shape[:-1], shape[-1], self.size, self.strides or self.size, self.padding or ((0, 0),) * axes)
            cells = total.cells()
            if not np.all(cells > 0):
                raise GraphError(f"{self.describe()}: a window lies wholly in the padding")
            cache[shape] = (total, cells)
        return cache[shape]

    def output_shape(self, *shapes: Shape) -> Shape:
        return self.window(shapes[0])[0].output_shape

    def centre(self, *xs: Array) -> Array:
        total, cells = self.window(xs[0].shape[1:])
        return total.apply(xs[0]) / cells

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        total, cells = self.window(xs[0].shape[1:])
        return machine.mean(total, xs[0], cells)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        total, cells = self.window(x.centre.shape[1:])
        summed = total.apply(x.centre)
        error, overflow = rounder.inner(total, x, None, summed, products=False, stored=False)
        reached = up(np.abs(summed) + x.spread(total) + error, 2)
        rounding = rounder.divided(error, summed / cells, cells, reached)
        if rounder.arithmetic is not None:
            stored = up(reached / cells + rounding, 2)
            overflow = overflow | rounder.arithmetic.overflows(np.zeros(()), stored)
        if x.grid is not None and rounder.arithmetic is not None and rounder.arithmetic.exact_stays:
            # Halving only changes an exponent: what is left is the sum's own error.
            power = rounder.literal_slip(error, cells, reached)[1] == 0.0
            power = power & quotient_exact(rounder.arithmetic, total, x, np.frexp(cells)[1] - 1)
            power = power & (not rounder.arithmetic.widens)
            rounding = np.where(power & (error == 0.0), 0.0, rounding)
        zero = total.count(x.nonzero) == 0.0
        return Local((_Mean(total, cells),), np.where(zero, 0.0, rounding), zero, overflow)

    def stores_once(self, rules: Arithmetic, operands: int) -> bool:
        return True

    def split(self, errors: MeanIndependent, *xs: Tensor) -> Split | None:
        (x,) = xs
        total, cells = self.window(x.centre.shape[1:])
        return errors.mean(total, x, cells, total.apply(x.centre))

    def describe(self) -> str:
        return f"AveragePool {'x'.join(map(str, self.size))}"


class _Mean(LinearMap):
    """A window sum divided by its number of cells."""

    def __init__(self, total: WindowSum, cells: Array) -> None:
        self.total, self.cells = total, cells
        self.input_shape, self.output_shape = total.input_shape, total.output_shape
        self.fan_in, self.fan_out = total.fan_in + 1, total.fan_out + 1

    def apply(self, x: Array) -> Array:
        return self.total.apply(x) / self.cells

    def transpose(self, y: Array) -> Array:
        return self.total.transpose(y / self.cells)

    def absolute(self, e: Array) -> Array:
        return up(self.total.absolute(e) / self.cells, 1)


__all__ = ["AveragePool", "BatchMatMul", "Conv", "ConvTranspose", "Dense"]
