"""What a probabilistic result claims: how many statements about sums of roundings it makes, and how often one may fail."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from boundnet.analysis.heads import Head
from boundnet.arithmetic import Arithmetic
from boundnet.domains.chance import CLAIM, exceedance, smallest_lambda
from boundnet.errors import InputError
from boundnet.graph import LayerGraph
from boundnet.results.chance_info import ChanceInfo
from boundnet.roundoff.mean_independent.roundings import MeanIndependent


def statements_of(graph: LayerGraph, heads: Sequence[Head], inputs: int) -> int:
    """Most statements "this sum of roundings stays within lambda times its 2-norm" that a claim about ``inputs`` rests on.

    One for every radius and up to three for what an op asks of linear images of its inputs, so four for every element of
    every tensor; one for every row that bounds an output, a logit or a difference of two.
    """
    sizes = {name: int(np.prod(graph.shape(name), dtype=np.int64)) for name in graph.topological()}
    rows = 0
    for head in heads:
        for node in {head.output, head.logits or head.output}:
            rows += sizes[node] + sizes[node] * (sizes[node] - 1) // 2
    return inputs * (4 * sum(sizes.values()) + rows)


def lambda_for(arithmetic: Arithmetic, graph: LayerGraph, heads: Sequence[Head], inputs: int, lam: float | None) -> float:
    """The claim's lambda, chosen for ``CLAIM`` where none is given.

    Raises:
        InputError: lambda is no positive number, or so small that the claim says nothing.
        FormatError: the arithmetic's roundings are biased.
    """
    count = statements_of(graph, heads, inputs)
    MeanIndependent(arithmetic)
    if lam is None:
        return smallest_lambda(count, CLAIM)
    if not (math.isfinite(lam) and lam > 0.0):
        raise InputError(f"lambda {lam:g}: give a positive number, such as {smallest_lambda(count):g}")
    if count * exceedance(lam) >= 1.0:
        raise InputError(
            f"lambda {lam:g} says nothing here: the claim rests on {count:,} statements, each of which fails with a "
            f"probability of up to {exceedance(lam):.2g}; use at least {smallest_lambda(count, 0.01):g}"
        )
    return lam


def describe(
    arithmetic: Arithmetic, lam: float, graph: LayerGraph, heads: Sequence[Head], inputs: int, coins: float
) -> ChanceInfo:  # fmt: skip
    """The claim as results state it; ``coins``: what the analyzer's own coins may do to it."""
    count = statements_of(graph, heads, inputs)
    model = "theorem" if MeanIndependent(arithmetic).theorem else "model"
    return ChanceInfo(lam, model, count, min(1.0, count * exceedance(lam) * (1.0 + 2.0**-50)), coins)
