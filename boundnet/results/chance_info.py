"""What results say of a probabilistic guarantee."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChanceInfo:
    """What a probabilistic result rests on (docs/explanation/probabilistic.md).

    Attributes:
        lam: how many times the 2-norm of their half-ranges sums of roundings stay within (JSON key ``lambda``).
        model: ``theorem`` for stochastic rounding, ``model`` where mean independence of roundings is assumed.
        statements: how many such sums the claim is about.
        rounding_probability: bound of the probability that any of them is larger, over one execution for each input.
        coins_probability: bound of the probability that the analyzer's own coins deceived it.
    """

    lam: float
    model: str
    statements: int
    rounding_probability: float
    coins_probability: float
