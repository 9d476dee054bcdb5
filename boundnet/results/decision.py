"""What is said of one predicted class."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """The predicted class and whether rounding can change it.

    Attributes:
        class_index: class of the exact network at the centre (JSON key ``class``).
        runner_up: class that comes closest once the bounds are counted, None for a sign.
        margin: difference of the two logits of the exact network (the logit itself for a sign).
        margin_bound: bound of |computed - exact| of that difference.
        proved: the exact network and every conforming execution return ``class_index``: the largest of what the program
            returns, with no tie.
        probabilities_separated: the returned probabilities differ as the logits do; None where logits are returned.
        likely: the same as ``proved`` with the probability of a probabilistic result, which proves nothing.
        exact_margin_bound, cast_margin, cast_margin_bound: the class holds on the logits if ``margin`` exceeds its bound,
            which is that of its float64 evaluation, and ``cast_margin``, of the network with cast weights and inputs,
            exceeds the bound of what rounding changes in it; None for boxes and in results older than schema 1.2.
        logits_only: the class holds on the logits, in the sense of the guarantee, but the returned probabilities may tie or
            have no bound.
    """

    class_index: int
    runner_up: int | None
    margin: float
    margin_bound: float
    proved: bool
    probabilities_separated: bool | None = None
    likely: bool = False
    exact_margin_bound: float | None = None
    cast_margin: float | None = None
    cast_margin_bound: float | None = None
    logits_only: bool = False

    @property
    def holds(self) -> bool:
        """Whether rounding keeps the returned class, in the sense of the result's guarantee."""
        return self.proved or self.likely
