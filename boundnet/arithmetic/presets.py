"""Named execution models, and building one from command-line style options."""

from __future__ import annotations

from dataclasses import replace

from boundnet.arithmetic.formats import BFLOAT16, BINARY16, BINARY32, BINARY64, E4M3FN, E5M2, TF32, parse_format
from boundnet.arithmetic.model import Arithmetic, parse_order
from boundnet.errors import FormatError
from boundnet.numerics.accuracy import GLIBC_FLOAT64

PRESETS: dict[str, tuple[Arithmetic, str]] = {
    item.name: (item, text)
    for item, text in (
        (Arithmetic("binary32"), "float32 on CPUs and in software: direct or implicit GEMM in any order, FMA or not"),
        (Arithmetic("binary64", BINARY64, BINARY64, functions=GLIBC_FLOAT64), "float64, any order"),
        (Arithmetic("binary16", BINARY16, BINARY32), "float16 tensors; float32 sums and normalisations"),
        (Arithmetic("bfloat16", BFLOAT16, BINARY32), "bfloat16 tensors; float32 sums and normalisations"),
        (Arithmetic("tf32", TF32, BINARY32), "tensors held in TF32 precision, float32 sums; not a model of tensor cores"),
        (Arithmetic("fp8_e4m3fn", E4M3FN, BINARY32), "8-bit e4m3fn tensors, unscaled; float32 sums and normalisations"),
        (Arithmetic("fp8_e5m2", E5M2, BINARY32), "8-bit e5m2 tensors, unscaled; float32 sums and normalisations"),
        (Arithmetic("pure-binary16", BINARY16, BINARY16), "float16 tensors and sums"),
        (Arithmetic("pure-bfloat16", BFLOAT16, BFLOAT16), "bfloat16 tensors and sums"),
        (
            Arithmetic(
                "c-binary32", order=parse_order("sequential"), fma="no", subnormals="gradual", bias="last", forms="document"
            ),
            "plain C loops in float: document order and forms, bias added last, no FMA",
        ),
    )
}
"""Name -> (model, what it describes)."""

_UNMODELLED = ("tensor-core", "tensorcore", "hopper", "ampere", "a100", "h100", "v100", "tpu")


def preset(name: str) -> Arithmetic:
    """The named execution model; format aliases such as ``float32`` or ``bf16`` work too.

    Raises:
        FormatError: unknown, or a machine that truncates inside sums and has no sourced model here.
    """
    key = name.strip().lower()
    if key in PRESETS:
        return PRESETS[key][0]
    if any(word in key for word in _UNMODELLED):
        raise FormatError(
            f"arithmetic {name!r}: tensor cores truncate and align inside their sums, and no sourced model of that one is "
            "included, and no combination of options describes it"
        )
    try:
        fmt = parse_format(name)
    except FormatError:
        raise FormatError(
            f"unknown arithmetic {name!r}: use one of {', '.join(PRESETS)}, or a format such as float(p,e) or fixed(i,f)"
        ) from None
    if fmt.name in PRESETS:
        return PRESETS[fmt.name][0]
    return Arithmetic(fmt.name, fmt, fmt)


def build(
    name: str | None = None, *, storage: str | None = None, accumulate: str | None = None, order: str | None = None,
    fma: str | None = None, rounding: str | None = None, subnormals: str | None = None, bias: str | None = None,
    normalisation: str | None = None, forms: str | None = None, ties: str | None = None, stores: str | None = None,
) -> Arithmetic:  # fmt: skip
    """An execution model from a preset (default binary32) and changes to it.

    ``storage`` alone starts from the preset of that format.  Unset options keep the preset's value.

    Raises:
        FormatError: a name or value that does not exist, with what does.
    """
    base = preset(name) if name else preset(storage or "binary32")
    changes: dict[str, object] = {}
    if storage is not None:
        changes["storage"] = parse_format(storage)
    if accumulate is not None:
        changes["accumulate"] = parse_format(accumulate)
    if order is not None:
        changes["order"] = parse_order(order)
    allowed = {
        "fma": ("yes", "no", "either"),
        "rounding": ("nearest", "stochastic", "toward_zero", "any"),
        "subnormals": ("gradual", "ftz", "ftz+daz", "either"),
        "bias": ("any", "first", "last", "separate"),
        "normalisation": ("stored", "kept", "wide"),
        "forms": ("any", "document"),
        "ties": ("even", "any"),
        "stores": ("all", "any"),
    }
    given = {"fma": fma, "rounding": rounding, "subnormals": subnormals, "bias": bias, "normalisation": normalisation,
             "forms": forms, "ties": ties, "stores": stores}  # fmt: skip
    for field, value in given.items():
        if value is None:
            continue
        if value not in allowed[field]:
            raise FormatError(f"{field} {value!r}: use one of {', '.join(allowed[field])}")
        changes[field] = value
    changed = {key: value for key, value in changes.items() if getattr(base, key) != value}
    if not changed:
        return base
    result = replace(base, **changed)  # type: ignore[arg-type]
    if result.accumulate == BINARY64 and result.functions is not GLIBC_FLOAT64:
        result = replace(result, functions=GLIBC_FLOAT64)
    if result.storage.is_fixed != result.accumulate.is_fixed:
        raise FormatError("a fixed-point format needs a fixed-point accumulator: give --accumulate fixed(i,f) too")
    parts = [base.name] + [f"{key}={getattr(value, 'name', value)}" for key, value in changed.items()]
    return replace(result, name=", ".join(parts))


__all__ = ["PRESETS", "build", "preset"]
