"""From inputs to bounds: units of work, here or on an executor, and what they come to together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from boundnet.analysis.coins_claim import Claim
from boundnet.analysis.execution.executor import Submits
from boundnet.analysis.execution.schedule import Checkpoint, Progress, run_all
from boundnet.analysis.layer_table import LayerTable
from boundnet.analysis.units import CURVED, Bounder, Job, Part
from boundnet.domains.sketch.domain import DROWNED
from boundnet.numerics.outward import Array
from boundnet.results import DomainInfo, Sample


@dataclass(frozen=True)
class Bounded:
    """Results of all inputs, in their order.

    Attributes:
        casts: whether storing the weights changes some of them.
        stepped: whether storing was taken as a step function.
    """

    samples: list[Sample]
    table: LayerTable
    domain: DomainInfo
    claim: Claim
    casts: bool
    stepped: bool


def bound_samples(
    job: Job, values: Sequence[Array], progress: Progress | None = None, executor: Submits | None = None,
    checkpoint: Checkpoint | None = None,
) -> Bounded:  # fmt: skip
    """Bound every sample of ``values`` in the domain asked for, or in the cheapest one that serves it.

    The result is the same, to the last bit, with and without an executor, whatever its workers and their order.

    Args:
        values: (N, *shape) for each Input node.
        executor: where units are computed; None computes them here, one after the other.
        checkpoint: keeps what is done, and knows what was done before.
    """
    bounder = Bounder(job)
    parts = sorted(run_all(bounder, values, progress, executor, checkpoint), key=lambda part: part.samples[0].index)
    table, claim = LayerTable(job.graph, job.arithmetic.storage), Claim()
    used = {"interval": 0, "affine": 0, "sketch": 0}
    for part in parts:
        table.tallies.merge(part.layers)
        claim.merge(part.claim)
        used[part.domain] += len(part.samples)
    if checkpoint is not None and job.coins is None:
        # Inputs that an interruption cut off were begun anew, with fresh coins, as often as a worker's death allows.
        claim.probability *= checkpoint.sessions
    samples = sorted((sample for part in parts for sample in part.samples), key=lambda sample: sample.index)
    return Bounded(
        samples, table, _explain(job, claim, used), claim, bounder.runner.cast_graph is not job.graph, bounder.runner.stepped
    )


def _explain(job: Job, claim: Claim, used: dict[str, int]) -> DomainInfo:
    names = [name for name, number in used.items() if number]
    which = names[0] if len(names) == 1 else "mixed"
    if job.domain == "interval":
        return DomainInfo("interval", which, "asked for; outputs are bounded by adjoint rows over interval radii")
    reasons = []
    if used["interval"]:
        reasons.append(
            f"intervals for {used['interval']} of {job.count} inputs"
            + ("" if not (claim.failed or job.domain == "affine") else
               ": nothing sharper fits the memory budget or could be confirmed" if job.domain == "affine" else
               ": no second run confirmed the radii of the first, as where they grow beyond all values")
            + ("" if claim.failed or job.domain != "auto" else
               f": nonlinearity costs at most {CURVED:.0%} of the bound, sharper radii could gain no more than that")
        )  # fmt: skip
    if used["affine"]:
        reasons.append(f"affine forms for {used['affine']}: all coefficients fit the memory budget")
    if used["sketch"]:
        reasons.append(
            f"sketches for {used['sketch']}: too large for affine forms; "
            f"{claim.rows} adjoint rows decided what probes left open"
            + (f", {claim.skipped} decisions stayed open beyond the budget of rows" if claim.skipped else "")
            + (
                f"; from {claim.lost[0]!r} on errors may exceed the values {DROWNED:g} times, and intervals serve"
                if claim.lost
                else ""
            )
        )
    return DomainInfo(job.domain, which, "; ".join(reasons))


__all__ = ["Bounded", "Part", "Progress", "bound_samples"]
