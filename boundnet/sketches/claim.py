"""The claim that an analysis makes about its own coins: how often it may be wrong, and on what seeds it rests."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from boundnet.sketches.prove import Proof
from boundnet.sketches.settings import TRIES, Settings


@dataclass
class Claim:
    """Everything that proofs of one analysis asked of random coins.

    Attributes:
        probability: bound of the probability that any of it is wrong (union over all checks of all tries).
        checks: how many there were.
        seeds: of the coins of every proof that held.
        rows, skipped: adjoint rows spent on open decisions, and decisions left open for lack of budget.
        failed: runs that no try confirmed.
    """

    probability: float = 0.0
    checks: int = 0
    seeds: list[int] = field(default_factory=list)
    rows: int = 0
    skipped: int = 0
    failed: int = 0
    _asked: int = 0

    def next_seed(self, seed: int | None) -> int | None:
        """Seed of the next proof: distinct for each, None for one from the operating system."""
        self._asked += 1
        return None if seed is None else (seed + (self._asked - 1) * TRIES) % 2**64

    def add(self, proof: Proof, settings: Settings) -> None:
        """Take in a proof, failed tries included: a wrong promise might have passed any of them."""
        asked = math.exp(settings.log_p) * (1.0 + 2.0**-40)
        self.probability += proof.checks * proof.tries * asked * (1.0 + 2.0**-40)
        self.checks += proof.checks
        self.rows += proof.effort.rows
        self.skipped += proof.effort.skipped
        if proof.trace is None:
            self.failed += 1
        elif proof.checks:
            self.seeds.append(proof.seed)
