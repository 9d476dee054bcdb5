"""What a result rests on, in words: that a binary conforms to the Arithmetic is an assumption, not a theorem."""

from __future__ import annotations

from boundnet.analysis.coins_claim import Claim
from boundnet.arithmetic import Arithmetic
from boundnet.results.chance_info import ChanceInfo

_ORDERS = {
    "any": "sums are evaluated in any order (direct or implicit GEMM; no Winograd, no FFT convolution)",
    "sequential": "sums run through one accumulator in document order (docs/reference/arithmetic.md)",
    "pairwise": "sums are halved recursively down to runs of {size}",
    "blocked": "sums run in blocks of {size}, then over the blocks",
}
_FMA = {
    "yes": "every multiply-add is fused",
    "no": "no multiply-add is fused",
    "either": "multiply-adds may be fused or not",
}
_ROUNDING = {
    "nearest": "operations round to nearest",
    "stochastic": "operations round up or down at random; a worst-case bound holds whatever the draw",
    "toward_zero": "operations round toward zero",
    "any": "operations round in any direction",
}
_SUBNORMALS = {
    "gradual": "subnormal numbers are kept (no FTZ, no DAZ)",
    "ftz": "subnormal results are flushed to zero",
    "ftz+daz": "subnormal results and operands are flushed to zero",
    "either": "subnormal results and operands may or may not be flushed to zero",
}


_NORMALISATION = {
    "stored": "normalisation layers may store every result on the way to theirs",
    "kept": "normalisation layers keep what they compute on the way in {wide} and store their result only",
    "wide": "normalisation layers keep their weights and what they compute on the way in {wide} and store their result only",
}


def assumptions(arithmetic: Arithmetic, *, casts: bool, inputs_cast: bool, stepped: bool = False) -> tuple[str, ...]:
    """Sentences that must hold of the machine for the bounds to hold."""
    a = arithmetic
    order = _ORDERS[a.order.kind].format(size=a.order.size)
    lines = [
        f"tensors are stored in {a.storage.name} and operations run in {a.accumulate.name}: every operation rounds at "
        "most once to each" + (f"; {_NORMALISATION[a.normalisation].format(wide=a.accumulate.name)}" if a.widens else ""),
        f"{order}; {_FMA[a.fma]}; {_ROUNDING[a.rounding]}",
        f"{_SUBNORMALS[a.subnormals]}; no fast-math reassociation across operations, TF32 off unless it is the format",
        "elementary functions err by at most "
        + ", ".join(f"{name} {value:g}" for name, value in a.functions.ulps.items())
        + f" ulp of {a.accumulate.name} ({a.functions.source})",
        "the stored weights, the inputs as given and the literals of each layer are the exact network",
    ]
    if stepped:
        lines.append(_steps(a))
    if a.perturbation is not None:
        kept = " (a result that so many bits hold stays as it is)" if a.perturbation.mode == "rr" else ""
        lines.append(
            f"every +, -, * and / is perturbed as Monte Carlo Arithmetic does, mode {a.perturbation.mode} at virtual "
            f"precision {a.perturbation.precision}{kept}; comparisons, casts, square roots and library functions are not"
        )
    if casts:
        lines.append(
            f"every weight, biases {_statistics(a)}, is cast to {a.storage.name} once, to nearest, "
            "ties to even; the cast counts as error (an execution that keeps some weights wider is not covered)"
        )
    if inputs_cast:
        lines.append(f"inputs are cast to {a.storage.name} once, correctly rounded; the cast counts as error")
    if a.storage.precision > 40:
        lines.append(
            "the float64 centre's own error is part of the bound twice over, which makes it three or four times as large"
        )
    lines.append(
        "the analyzer itself runs in IEEE binary64, round to nearest,"
        " with the function accuracies of docs/reference/arithmetic.md"
    )
    return tuple(lines)


def _steps(a: Arithmetic) -> str:
    """What decided roundings rest on."""
    ties = ", ties to even" if a.ties == "even" else ", ties either way"
    way = f"to nearest{ties}" if a.nearest else "toward zero"
    return (
        f"every operation's result is really stored in {a.storage.name}, rounded once {way}: fused code that keeps one of "
        "them wider, as compilers may, is not covered (stores any covers it, by wider bounds)"
    )


def _statistics(a: Arithmetic) -> str:
    if a.normalisation == "wide":
        return f"included (those of normalisations to {a.accumulate.name})"
    return "and normalisation statistics included"


def boxes_line(arithmetic: Arithmetic, exact: bool) -> str:
    """What inputs are, of which a box holds many."""
    if exact:
        return f"inputs are numbers of {arithmetic.storage.name} that lie in the box, read as they are"
    return "inputs are any real numbers of the box, then stored"


def coins_line(claim: Claim, seed: int | None) -> str:
    """What a sketch's guarantee rests on beside the machine."""
    from_where = (
        "drawn from the operating system after everything they check was fixed"
        if seed is None else f"conditional on the seed {seed} that was given"
    )  # fmt: skip
    return (
        f"radii were checked with the analyzer's own random coins (Cauchy sketches; rounding errors stay worst-case): wrong "
        f"with probability at most {claim.probability:.1e}; coins {from_where}"
    )


def chance_lines(chance: ChanceInfo | None) -> tuple[str, ...]:
    """What a probabilistic guarantee rests on beside the machine."""
    if chance is None:
        return ()
    if chance.model == "theorem":
        model = (
            "every rounding is stochastic, unbiased and with random bits of its own: then each rounding error has mean zero "
            "given all that was before, and the probability is a theorem (Connolly, Higham & Mary 2021)"
        )
    else:
        model = (
            "a model, not a fact: each rounding error to nearest has mean zero given all that was before (Higham & Mary "
            "2019); data that repeat or are exact in few bits can break it"
        )
    return (
        model,
        f"likely, not proved: {chance.statements:,} sums of rounding errors stay within lambda = {chance.lam:g} times their "
        f"2-norm, all of them with probability at least 1 - {chance.rounding_probability:.1e} over one execution an input",
        "every element is computed by roundings of its own; what weights alone give (the scale of a batch normalisation) is "
        "computed once, or alike for all elements; errors of functions, flushing and casts of weights stay worst-case",
    )
