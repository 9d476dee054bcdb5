"""Linear maps applied exactly, and what is left of a claim about them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from boundnet.maps import Diagonal, LinearMap, LowRank, Structural, WeightedSelect, Zero
from boundnet.maps.contract import ContractLeft
from boundnet.numerics.outward import Array
from boundnet.ops.linear import _Mean
from boundnet.ops.structural import _Into
from boundnet.reference.arb import ArbMachine
from boundnet.reference.objects import Objects, mapped


def apply_map(machine: ArbMachine, linear: LinearMap, x: Objects) -> Objects:
    """``linear`` applied to certified numbers (N, *input_shape)."""
    shape = (len(x), *linear.output_shape)
    if isinstance(linear, Zero):
        return machine.parameter(np.zeros(shape))
    if isinstance(linear, Diagonal):
        return machine.mul(x, machine.parameter(np.broadcast_to(linear.slope, shape)))  # type: ignore[no-any-return]
    if isinstance(linear, Structural):
        y: Objects = x.reshape(len(x), -1)[:, np.maximum(linear.index, 0)]
        y[:, linear.index < 0] = machine.number(0.0)
        return y
    if isinstance(linear, WeightedSelect):
        flat, total = x.reshape(len(x), -1), machine.parameter(np.zeros(linear.cells.shape[:2]))
        for k in range(linear.cells.shape[2]):
            total = total + np.take_along_axis(flat, linear.cells[..., k], axis=1) * machine.parameter(
                linear.weights[..., k]
            )
        return total.reshape(shape)
    if isinstance(linear, _Into):
        placed = machine.parameter(np.zeros(shape))
        placed[linear.place] = x
        return placed
    if isinstance(linear, ContractLeft):
        a, b, c = linear.equation
        right = machine.parameter(linear.right)
        summed: Objects = np.einsum(f"Z{a},Z{b}->Z{c}", x, right) * machine.number(linear.scale)
        return summed
    if isinstance(linear, LowRank):
        image: Objects = linear.evaluate(machine, x)
        return image
    if isinstance(linear, _Mean):
        return machine.mean(linear.total, x, linear.cells)
    return machine.inner_product(linear, x, None)


def exceeds(distance: Objects, bound: Array) -> Any:
    """Mask of elements whose |distance| is certainly larger than ``bound``; what could not be evaluated is not certain."""
    least = np.asarray(mapped(_least, distance), dtype=np.float64)
    return least > bound


def _least(x: Any) -> float:
    if not x.is_finite():
        return 0.0
    value = float(abs(x).lower())
    return math.nextafter(value, 0.0)


def broken(values: Array, bound: Array) -> Any:
    """Mask of computed values that are infinite or NaN although ``bound`` is finite."""
    return ~np.isfinite(values) & np.isfinite(bound)


def certain_functions(machine: ArbMachine) -> Any:
    """Elementary functions as float64 pairs (high, low), good to twice the precision."""

    def evaluate(name: str, x: Array) -> tuple[Array, Array]:
        exact = mapped(lambda v: machine.call(name, machine.number(float(v))), x)
        high = np.asarray(mapped(lambda v: float(v.mid()), exact), dtype=np.float64)
        finite = np.isfinite(high)
        low = mapped(lambda v, h, ok: float((v - machine.number(float(h))).mid()) if ok else 0.0, exact, high, finite)
        return high, np.asarray(low, dtype=np.float64)

    return evaluate
