"""The forward pass: centres, local forms and radii of every node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from boundnet.domains.base import Domain, SteppedDomain
from boundnet.domains.chance import Chance
from boundnet.domains.merged import with_merged
from boundnet.domains.probe_bounds import Sketched
from boundnet.graph import LayerGraph
from boundnet.maps import LinearMap
from boundnet.numerics.outward import Array, up
from boundnet.ops.base import Local, Tensor
from boundnet.ops.store import Store
from boundnet.roundoff.grids import Exponents, exponent_of, trailing
from boundnet.roundoff.rounder import Rounder


@dataclass(frozen=True)
class Trace:
    """What a forward pass knows: a tensor for every node, a local form for every op, and of some nodes the probes.

    ``lost`` names the node from which on a domain stopped to tell errors from values and went on with intervals.
    ``slack`` keeps what :mod:`boundnet.domains.adjoint` adds to each op for its own rounding, the same for all rows.
    ``lam``: how many times the 2-norm of their half-ranges mean-independent roundings may reach, 0 where all are worst
    cases.
    """

    graph: LayerGraph
    tensors: dict[str, Tensor]
    locals: dict[str, Local]
    overflow: dict[str, bool] = field(default_factory=dict)
    sketches: dict[str, Sketched] = field(default_factory=dict)
    slack: dict[str, Array] = field(default_factory=dict)
    lam: float = 0.0
    lost: str | None = None

    @property
    def samples(self) -> int:
        """Length of the batch axis."""
        return len(self.tensors[self.graph.outputs[0]].centre)


Tick = Callable[[str], None]


def forward(
    graph: LayerGraph, inputs: Sequence[Array], rounder: Rounder, domain: Domain,
    input_radii: Sequence[Array] | None = None, tick: Tick | None = None, stored: Sequence[Array] | None = None,
    chance: Chance | None = None,
) -> Trace:  # fmt: skip
    """Propagate ``inputs`` through ``graph``.

    Args:
        inputs: one (N, *shape) float64 array for each Input node: the centres.
        rounder: the execution model.
        domain: how radii are obtained.
        input_radii: radius of each input about its centre, for boxes; storing the input comes on top.
        tick: called with each node's name, for progress.
        stored: what storing each input may change, by default what the Arithmetic says.
        chance: for the probabilistic guarantee; ``domain`` must have been made with its lambda.
    """
    tensors: dict[str, Tensor] = {}
    local_forms: dict[str, Local] = {}
    overflow: dict[str, bool] = {}
    entering = dict(zip(graph.inputs, range(len(inputs)), strict=True))
    trace = Trace(graph, tensors, local_forms, overflow, lam=0.0 if chance is None else chance.lam)
    stepped = any(isinstance(graph.op(name), Store) for name in graph.topological())
    begin = getattr(domain, "begin", None)
    if begin is not None:
        begin(trace)
    with np.errstate(all="ignore"):
        for name in graph.topological():
            if tick is not None:
                tick(name)
            if name in entering:
                value = inputs[entering[name]]
                box = np.zeros(value.shape) if input_radii is None else input_radii[entering[name]]
                if stored is not None:
                    kept = stored[entering[name]]
                else:
                    kept = np.zeros(()) if graph.holds_integers(name) else rounder.stored_error_over(value, box)
                reach = up(box + kept, 1)
                zero = (value == 0.0) & (reach == 0.0)
                overflow[name] = not bool(np.isfinite(reach).all())
                grid = input_grid(value, reach, rounder) if stepped else None
                tensors[name] = Tensor(value, domain.enter(name, reach), zero, _spread(domain, name), grid)
                continue
            sources = graph.inputs_of(name)
            xs = [tensors[source] for source in sources]
            op = graph.op(name)
            centre = op.centre(*(x.centre for x in xs))
            local = op.local(rounder, *xs)
            if chance is not None:
                local = chance.parted(op, local, xs)
            local = with_merged(graph, rounder, name, local, tensors, local_forms, chance is None)
            radius = domain.push(name, sources, local, centre)
            radius = np.where(np.isfinite(centre), radius, np.inf)
            ends = domain.ends(name) if isinstance(domain, SteppedDomain) else None
            tensors[name] = Tensor(centre, radius, local.zero, _spread(domain, name), local.grid, ends)
            local_forms[name] = _slim(local)
            overflow[name] = bool(np.any(local.overflow)) or not bool(np.isfinite(centre).all())
    return trace


def _slim(local: Local) -> Local:
    """``local`` without what later passes do not read: memory of deep networks."""
    strip = local.strip if local.strip is not None and np.any(local.strip) else None
    shift = local.shift if local.shift is not None and np.any(local.shift) else None
    return replace(local, strip=strip, shift=shift, cap=None, grid=None, ends=None)


def input_grid(value: Array, reach: Array, rounder: Rounder) -> Exponents | None:
    """Exponents of powers of two that divide every stored input."""
    if rounder.arithmetic is None:
        return None
    own = trailing(value)
    eta = exponent_of(rounder.arithmetic.storage.smallest_subnormal)
    return own if not reach.any() else np.where(reach == 0.0, own, np.minimum(own, eta)).astype(np.int16)


def _spread(domain: Domain, name: str) -> Callable[[LinearMap], Array] | None:
    """The domain's sharper bound of linear images of node ``name``, if it has one."""
    sharper = getattr(domain, "spread", None)
    return None if sharper is None else lambda linear: sharper(name, linear)
