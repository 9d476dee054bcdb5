"""What a result guarantees: the label, with what probability it fails, and the word for decisions that hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

from boundnet.errors import InputError
from boundnet.results import Sample
from boundnet.results.chance_info import ChanceInfo


@dataclass(frozen=True)
class Guarantee:
    """A label, with what probability it fails (None: never), what a probabilistic one rests on, and a doubt about it."""

    name: str = "deterministic"
    probability: float | None = None
    chance: ChanceInfo | None = None
    warning: str | None = None

    @staticmethod
    def of(chance: ChanceInfo, warning: str | None = None) -> Guarantee:
        """A probabilistic guarantee: the execution's roundings or the analyzer's coins may break it."""
        total = (chance.rounding_probability + chance.coins_probability) * (1.0 + 2.0**-50)
        return Guarantee("probabilistic", min(1.0, total), chance, warning)


DETERMINISTIC = Guarantee()


def check_guarantee(guarantee: str, lam: float | None, box: bool) -> None:
    """Raise InputError for a request that no analysis serves."""
    if guarantee not in ("worst-case", "probabilistic"):
        raise InputError(f"guarantee {guarantee!r}: use worst-case or probabilistic")
    if guarantee == "worst-case" and lam is not None:
        raise InputError("lambda is for the probabilistic guarantee: leave it out, or ask for guarantee probabilistic")
    if guarantee == "probabilistic" and box:
        raise InputError("boxes of inputs are bounded for the worst case only: leave out the guarantee, or give inputs")


def as_likely(sample: Sample) -> Sample:
    """The sample with its decision called likely where it would be called proved."""
    if sample.decision is None:
        return sample
    return replace(sample, decision=replace(sample.decision, likely=sample.decision.proved, proved=False))
