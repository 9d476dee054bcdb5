"""How accurate a library's elementary functions are, in units in the last place.

A function with error ``k`` ulp returns ``y + d`` with ``|d| <= k * 2u * |y|`` (``k * eta`` where the result is subnormal);
u and eta are those of the format in which the function runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from boundnet.errors import FormatError


@dataclass(frozen=True)
class FunctionAccuracy:
    """Largest error of each elementary function, in ulp, with the place the figures come from.

    Attributes:
        name: name of the table.
        ulps: function name -> ulp.  Names are those of :data:`FUNCTIONS`.
        source: where the figures come from, printed among the assumptions.
    """

    name: str
    ulps: Mapping[str, float] = field(hash=False)
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "ulps", MappingProxyType(dict(self.ulps)))
        missing = sorted(set(FUNCTIONS) - set(self.ulps))
        if missing:
            raise FormatError(f"function accuracy table {self.name!r} lacks {', '.join(missing)}")

    def __reduce__(self) -> tuple[type[FunctionAccuracy], tuple[str, dict[str, float], str]]:
        return FunctionAccuracy, (self.name, dict(self.ulps), self.source)

    def of(self, function: str) -> float:
        """Error bound of ``function`` in ulp."""
        return self.ulps[function]


FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "softplus", "sqrt", "rsqrt", "reciprocal", "pow")
"""Elementary functions an execution may call as one operation; ``pow`` is x**2 and x**3, ``reciprocal`` a fast 1/x.

Besides its error each of them is exact at an exact 0 where its value there is 0 or 1.
"""

CORRECT = FunctionAccuracy(
    "correctly-rounded",
    dict.fromkeys(FUNCTIONS, 0.5),
    "every function correctly rounded (0.5 ulp), as CORE-MATH provides; few libraries do",
)

X86_FLOAT32 = FunctionAccuracy(
    "x86-float32",
    {"exp": 3.5, "expm1": 4.5, "log": 3.0, "log1p": 4.0, "tanh": 5.0, "sigmoid": 6.0, "erf": 7.0, "softplus": 6.0,
     "sqrt": 0.5, "rsqrt": 3.0, "reciprocal": 2.0, "pow": 1.25},
    "measured with TensorFlow 2.21 on an x86 CPU, eager and XLA, and raised by a quarter (docs/reference/arithmetic.md),"
    " not proved",
)  # fmt: skip

CUDA_FLOAT32 = FunctionAccuracy(
    "cuda-float32",
    {"exp": 2.0, "expm1": 2.0, "log": 2.0, "log1p": 2.0, "tanh": 5.5, "sigmoid": 4.0, "erf": 6.5, "softplus": 6.0,
     "sqrt": 0.5, "rsqrt": 2.0, "reciprocal": 1.0, "pow": 4.0},
    "maximum errors of the CUDA C++ Programming Guide (single precision) and of frameworks' fused kernels, not proved",
)  # fmt: skip

GLIBC_FLOAT64 = FunctionAccuracy(
    "libm-float64",
    {"exp": 4.0, "expm1": 4.0, "log": 4.0, "log1p": 4.0, "tanh": 4.0, "sigmoid": 8.0, "erf": 4.0, "softplus": 8.0,
     "sqrt": 0.5, "rsqrt": 1.5, "reciprocal": 1.5, "pow": 4.0},
    "4 ulp covers the GNU C library manual's table (at most 2 ulp) and NumPy's SIMD kernels (less than 4 ulp)",
)  # fmt: skip

TABLES = {table.name: table for table in (CORRECT, X86_FLOAT32, CUDA_FLOAT32, GLIBC_FLOAT64)}
