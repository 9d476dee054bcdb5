"""What the engine can execute, and how it settles what an Arithmetic leaves open."""

from __future__ import annotations

from dataclasses import replace

from boundnet.arithmetic import SEQUENTIAL, Arithmetic
from boundnet.arithmetic.formats import Format
from boundnet.errors import FormatError

NATIVE = 25
"""Most significant bits for which rounding a binary64 result once more is rounding the exact one."""


def settled(arithmetic: Arithmetic) -> Arithmetic:
    """The engine's own choices within ``arithmetic``: an Arithmetic that conforms to it.

    Raises:
        FormatError: the engine can't execute it; says what it can.
    """
    a = arithmetic
    rounding = "nearest" if a.rounding == "any" else a.rounding
    order = SEQUENTIAL if a.order.kind == "any" else a.order
    bias = "last" if a.bias == "any" else a.bias
    fma = "no" if a.fma == "either" else a.fma
    below = "gradual" if a.subnormals == "either" else a.subnormals
    found = replace(a, rounding=rounding, order=order, bias=bias, fma=fma, subnormals=below)
    for fmt in (a.storage, a.accumulate):
        _supported(fmt, found)
    if found.functions.name == "correctly-rounded":
        raise FormatError("the built-in engine does not round elementary functions correctly: choose another table of them")
    return found


def _supported(fmt: Format, a: Arithmetic) -> None:
    simple = a.rounding == "nearest" and a.perturbation is None
    if not fmt.is_fixed and fmt.emin < -510:
        if fmt.precision != 53 or not simple or a.fma == "yes" or a.subnormals != "gradual":
            raise FormatError(
                f"the built-in engine runs {fmt.name} only as binary64, to nearest, unfused and without perturbation; "
                "for perturbed binary64 use --backend verificarlo"
            )
        return
    most = 48 if fmt.is_fixed else 51
    plain = a.rounding in ("nearest", "toward_zero") and a.perturbation is None
    if fmt.precision > most or (fmt.precision > NATIVE and not plain):
        raise FormatError(
            f"the built-in engine can't run {fmt.name} like that: at most {most} significant bits, and {NATIVE} where "
            "rounding is stochastic or perturbed"
        )
    split = fmt.precision > NATIVE or a.rounding == "toward_zero" or a.fma == "yes"
    if split and not fmt.is_fixed and fmt.emin < -254:
        raise FormatError(
            f"the built-in engine can't run {fmt.name} like that: at most 9 exponent bits where more than {NATIVE} "
            "significant bits, rounding toward zero or fused operations need exact products split in two"
        )
    if a.fma == "yes" and (fmt.precision > NATIVE or not (a.perturbation is None and a.rounding != "stochastic")):
        raise FormatError(f"the built-in engine fuses only deterministic operations of at most {NATIVE} bits: give --fma no")
