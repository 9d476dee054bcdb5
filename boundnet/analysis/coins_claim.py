"""The claim that an analysis makes about its own coins: how often it may be wrong, and on what seeds it rests."""

from __future__ import annotations

import math
from dataclasses import dataclass

from boundnet.domains.sketch.prove import Proof
from boundnet.domains.sketch.settings import RUNS, STARTS, TRIES, Settings


@dataclass
class Claim:
    """Everything that proofs of one analysis asked of random coins.

    Attributes:
        probability: bound of the probability that any of it is wrong (union over all checks of all tries of all starts).
        checks: how many there were.
        seeds: of the coins of every proof that held.
        rows, skipped: adjoint rows spent on open decisions, and decisions left open for lack of budget.
        failed: runs that no try confirmed.
        lost: nodes from which on intervals served, one for each run in which errors outgrew the values.
    """

    probability: float = 0.0
    checks: int = 0
    seeds: tuple[int, ...] = ()
    rows: int = 0
    skipped: int = 0
    failed: int = 0
    lost: tuple[str, ...] = ()

    def add(self, proof: Proof, settings: Settings) -> None:
        """Take in a proof, failed tries and lost starts included: a wrong promise might have passed any of them."""
        asked = STARTS * math.exp(settings.log_p) * (1.0 + 2.0**-40)
        self.probability += proof.checks * proof.tries * asked * (1.0 + 2.0**-40)
        self.checks += proof.checks
        self.rows += proof.effort.rows
        self.skipped += proof.effort.skipped
        if proof.trace is None:
            self.failed += 1
        if proof.lost is not None:
            self.lost += (proof.lost,)
        if proof.trace is not None and proof.checks:
            self.seeds += (proof.seed,)

    def merge(self, other: Claim) -> None:
        """Take in the claim of another part of the analysis."""
        self.probability += other.probability
        self.checks += other.checks
        self.seeds += other.seeds
        self.rows += other.rows
        self.skipped += other.skipped
        self.failed += other.failed
        self.lost += other.lost


def seed_of(seed: int | None, index: int, run: int) -> int | None:
    """Seed of the first try of run ``run`` (0: the machine's, 1 and 2: the exact network's) of input ``index``.

    Distinct for every input, run and try, and the same in whatever order inputs are analysed; None, for a seed from the
    operating system, stays None.
    """
    return None if seed is None else (seed + (RUNS * index + run) * TRIES) % 2**64
