"""Values of options that have a few; tests compare them with what the analysis takes."""

from __future__ import annotations

from enum import StrEnum


class CType(StrEnum):
    """Values of emit-c --type."""

    float = "float"
    double = "double"


class Fma(StrEnum):
    """Values of --fma."""

    yes = "yes"
    no = "no"
    either = "either"


class Rounding(StrEnum):
    """Values of --rounding."""

    nearest = "nearest"
    stochastic = "stochastic"
    toward_zero = "toward_zero"
    any = "any"


class Subnormals(StrEnum):
    """Values of --subnormals."""

    gradual = "gradual"
    ftz = "ftz"
    ftz_daz = "ftz+daz"
    either = "either"


class Bias(StrEnum):
    """Values of --bias."""

    any = "any"
    first = "first"
    last = "last"
    separate = "separate"


class Normalisation(StrEnum):
    """Values of --normalisation."""

    stored = "stored"
    kept = "kept"
    wide = "wide"


class Ties(StrEnum):
    """Values of --ties."""

    even = "even"
    any = "any"


class Stores(StrEnum):
    """Values of --stores."""

    all = "all"
    any = "any"


class Forms(StrEnum):
    """Values of --forms."""

    any = "any"
    document = "document"


class Domain(StrEnum):
    """Values of --domain."""

    auto = "auto"
    interval = "interval"
    affine = "affine"
    sketch = "sketch"


class YesNo(StrEnum):
    """Values of --inputs-exact."""

    yes = "yes"
    no = "no"


class Rule(StrEnum):
    """Values of --decision."""

    auto = "auto"
    argmax = "argmax"
    sign = "sign"
    none = "none"


class Engine(StrEnum):
    """Values of --reference."""

    arb = "arb"
    mpmath = "mpmath"
    pyinterval = "pyinterval"


class Promise(StrEnum):
    """Values of --guarantee."""

    worst = "worst-case"
    probabilistic = "probabilistic"
