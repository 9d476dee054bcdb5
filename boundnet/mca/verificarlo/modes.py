"""Backends of Verificarlo for what is to be sampled, and the Arithmetic that such runs conform to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from boundnet.arithmetic import SEQUENTIAL, Arithmetic
from boundnet.arithmetic.formats import BINARY32, BINARY64
from boundnet.arithmetic.perturbation import Perturbation
from boundnet.errors import FormatError
from boundnet.mca.backend import Sampling
from boundnet.mca.emit.code import Real
from boundnet.numerics.accuracy import GLIBC_FLOAT64, X86_FLOAT32

IEEE = "libinterflop_ieee.so"


@dataclass(frozen=True)
class Mode:
    """One way to run.

    Attributes:
        title: for reports.
        options: the value of VFC_BACKENDS, without a seed.
        arithmetic: what every run conforms to.
        seeded: whether runs differ by seed.
        narrow: (precision, exponent bits) of a format that VPREC emulates, None for none.
    """

    title: str
    options: str
    arithmetic: Arithmetic
    seeded: bool
    narrow: tuple[int, int] | None = None

    def environment(self, seed: int | None) -> dict[str, str]:
        """Variables of a run: quiet, and always with a seed where there is noise (unseeded runs seed by time)."""
        backends = self.options + (f" --seed={seed}" if self.seeded and seed is not None else "")
        return quiet(backends)


def quiet(backends: str) -> dict[str, str]:
    """The environment that selects ``backends`` and keeps Verificarlo from printing."""
    return {"VFC_BACKENDS": backends, "VFC_BACKENDS_SILENT_LOAD": "True", "VFC_BACKENDS_LOGGER": "False"}


def real_type(arithmetic: Arithmetic) -> Real:
    """C's type for ``arithmetic``: double if it is binary64, else float, which VPREC narrows."""
    return "double" if arithmetic.accumulate == BINARY64 else "float"


def emitted(arithmetic: Arithmetic) -> Arithmetic:
    """``arithmetic`` with everything settled as in the emitted C compiled against a usual libm.

    Raises:
        FormatError: the emitted C is no such machine; says why.
    """
    real = real_type(arithmetic)
    where = f"arithmetic {arithmetic.name!r} can't be executed by Verificarlo"
    if arithmetic.perturbation is not None:
        raise FormatError(f"{where}: give the perturbation as the sampling mode, not as part of the arithmetic")
    if arithmetic.storage != arithmetic.accumulate:
        raise FormatError(f"{where}: every operation of a run has one format, so storage and accumulator must be the same")
    if arithmetic.order.kind not in ("any", "sequential") or arithmetic.fma == "yes":
        raise FormatError(f"{where}: the emitted C adds in document order and does not fuse")
    if arithmetic.bias not in ("any", "last"):
        raise FormatError(f"{where}: the emitted C adds the bias last")
    if arithmetic.subnormals not in ("gradual", "either"):
        raise FormatError(f"{where}: the emitted C does not flush subnormal numbers")
    return replace(
        arithmetic, order=SEQUENTIAL, fma="no", bias="last", subnormals="gradual",
        functions=X86_FLOAT32 if real == "float" else GLIBC_FLOAT64,
    )  # fmt: skip


def mode_for(arithmetic: Arithmetic, sampling: Sampling) -> Mode:
    """How to run ``sampling`` of a network on the machine ``arithmetic``.

    Raises:
        FormatError: Verificarlo has no such execution.
    """
    base = emitted(arithmetic)
    real = real_type(arithmetic)
    bits = "32" if real == "float" else "64"
    native = BINARY32 if real == "float" else BINARY64
    if sampling.mode == "none":
        return _as_it_is(base) if base.storage == native else _narrow(base)
    if base.storage != native:
        raise FormatError(
            f"arithmetic {arithmetic.name!r}: Verificarlo perturbs binary32 and binary64 only; use mode none (VPREC), or "
            "binary32 with a low virtual precision"
        )
    if sampling.mode == "stochastic":
        conforming = replace(base, name=f"{base.name}, stochastic", rounding="stochastic")
        return Mode("verificarlo mca_int", "libinterflop_mca_int.so --mode=rr", conforming, True)
    if not base.nearest:
        raise FormatError(f"arithmetic {arithmetic.name!r}: mode {sampling.mode} perturbs rounding to nearest only")
    most = native.precision
    if sampling.precision > most:
        raise FormatError(f"virtual precision {sampling.precision}: at most {most} for {native.name}")
    options = f"libinterflop_mca.so --mode={sampling.mode} --precision-binary{bits}={sampling.precision}"
    noise = Perturbation(sampling.mode, sampling.precision)
    conforming = replace(base, name=f"{base.name}, {noise}", perturbation=noise)
    return Mode(f"verificarlo {sampling}", options, conforming, True)


def _as_it_is(base: Arithmetic) -> Mode:
    return Mode("verificarlo ieee", IEEE, base, False)


def _narrow(base: Arithmetic) -> Mode:
    """VPREC for a format inside binary32: every operand and result is rounded to it."""
    fmt = base.storage
    exponent_bits = (fmt.emax + 1).bit_length()
    ieee = not fmt.is_fixed and fmt.emin == 1 - fmt.emax and fmt.emax + 1 == 2 ** (exponent_bits - 1)
    if not (ieee and fmt.subnormals and fmt.overflow == "inf" and fmt.precision <= 24 and exponent_bits <= 8):
        raise FormatError(f"VPREC emulates formats laid out as in IEEE 754 within binary32, not {fmt.name}")
    # Results are computed in binary32 and rounded again, which is one rounding for p <= 11 (2 p + 2 <= 24); in between, and
    # below the range of binary32, it may be two.
    rounding = base.rounding if 2 * fmt.precision + 2 <= 24 else "any"
    subnormals = base.subnormals if exponent_bits < 8 else "ftz"
    conforming = replace(base, rounding=rounding, subnormals=subnormals)
    options = f"libinterflop_vprec.so --mode=full --range-binary32={exponent_bits}"
    return Mode(f"verificarlo vprec {fmt.name}", options, conforming, False, (fmt.precision, exponent_bits))
