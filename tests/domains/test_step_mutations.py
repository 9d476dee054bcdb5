"""Every term of the step is needed: one dropped at a time, executions leave their enclosures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers.mutation import mutate
from helpers.narrow_networks import case, outside, violations
from helpers.narrow_runs import STORES, Machine

import boundnet
from boundnet.analysis.runs import Runner
from boundnet.domains import steps
from boundnet.ops import store
from boundnet.roundoff import rounder
from boundnet.roundoff.exact_sums import exact_addition

MUTANTS: dict[str, tuple[Callable[..., Any], str, str, str, str]] = {
    "error of the sum": (rounder.Rounder.inner, "result.error + own + cast", "own + cast", "bfloat16", "last"),
    "bias stored apart": (store.Store._found, "np.minimum(once.low, apart.low)", "once.low", "bfloat16", "any"),
    "the lower number": (store.Store.local, "np.minimum(found.low, centre)", "centre", "bfloat16", "last"),
    "what was deviating before": (steps.SteppedIntervals.push, "half + linear.absolute(self._half[source])", "half", "bfloat16", "last"),
    "what lies on one side": (steps.SteppedIntervals.push, "mid = mid + linear.apply(moved)", "pass", "bfloat16", "any"),
    "sums off the grid": (exact_addition, "least, 900) + fmt.precision", "least, 900) + 60", "binary16", "last"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_every_term_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, old, new, fmt, bias = MUTANTS[name]
    mutate(monkeypatch, function, old, new)
    assert any(violations(seed, fmt, 6, bias) for seed in range(40))


def test_ties_that_go_elsewhere_are_outside_unless_any_is_declared() -> None:
    """With exact sums nothing but the tie rule decides at a tie."""

    def away(value: Any) -> Any:
        kept = STORES["float(5,8)"](value)
        other = 2.0 * np.asarray(value, np.float64) - kept  # the neighbour, where value is half-way
        tie = STORES["float(5,8)"](other.astype(np.float32)) == other
        return np.where(tie & (np.abs(other) > np.abs(kept)), other, kept)

    found = {}
    for ties in ("even", "any"):
        rules = boundnet.build(storage="float(5,8)", accumulate="binary32", bias="last", ties=ties, stores="all")
        found[ties] = 0
        for seed in range(8):
            graph, x, rng = case(seed)
            runner = Runner(graph, rules, "interval")
            found[ties] += outside(runner, runner.intervals([x]), x, Machine(away, rng))
    assert found["even"] > 0
    assert found["any"] == 0
