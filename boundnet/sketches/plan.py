"""How every node's deviation is put together from noise symbols: what probes and adjoint rows both follow.

D = shift + sum over linked sources of L (their named part) + (own named symbols) + fresh * e, |e| <= 1, as in
:mod:`boundnet.domains.affine`: fresh symbols stay a plain radius while each enters one element only, and get names, one for
each element, when they may meet themselves again.  Every node's noise covers the float64 rounding of what follows
its links in either direction.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from boundnet.domains.base import capped, noise_of, private
from boundnet.graph import LayerGraph
from boundnet.maps import LinearMap, Zero
from boundnet.ops.base import Local
from boundnet.rounding import TINY, Array, gamma, up

RELATIVE_FLOOR = 2.0**-25
"""Least noise of a node relative to |L| E: what the probes' own rounding is measured against."""

Links = tuple[tuple[str, LinearMap], ...]


@dataclass
class Plan:
    """Symbols of one run over one or a few inputs, node by node; arrays are (N, *shape).

    Attributes:
        radius: E', the bound of |D| that later nodes rely on.
        shift: known offsets; nodes without one have none.
        fresh: radius of the symbols without names.
        named: size of the symbols that got names at a node.
        links: where a node's named part comes from; empty where it has none.
        rho: per node, factor of |L| max|P| that bounds the float64 error of computing its probes.
        noise: noise of the node itself.
        blur, reciprocal: what :mod:`boundnet.sketches.probes` derives of a plan that grows no more.
    """

    graph: LayerGraph
    radius: dict[str, Array] = field(default_factory=dict)
    shift: dict[str, Array] = field(default_factory=dict)
    fresh: dict[str, Array] = field(default_factory=dict)
    named: dict[str, Array] = field(default_factory=dict)
    links: dict[str, Links] = field(default_factory=dict)
    noise: dict[str, Array] = field(default_factory=dict)
    chained: set[str] = field(default_factory=set)
    blur: dict[str, tuple[float, ...]] = field(default_factory=dict)
    reciprocal: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.consumers = {name: self.graph.consumers(name) for name in self.graph.topological()}

    def carries(self, name: str) -> bool:
        """Whether the node has a named part: symbols of its own or of its sources."""
        return name in self.named or bool(self.links.get(name))

    def enter(self, name: str, radius: Array) -> None:
        """An input off by at most ``radius``."""
        self.fresh[name] = self.radius[name] = radius
        self.links[name] = ()

    def push(self, name: str, sources: tuple[str, ...], local: Local) -> Array:
        """Add a node; returns its radius by intervals.  The caller sets ``radius[name]`` to what it finds."""
        used = [(s, m) for s, m in zip(sources, local.maps, strict=True) if not isinstance(m, Zero) and self.radius[s].any()]
        noise = noise_of(local)
        interval, slack = noise, np.zeros(())
        keep = all(self.consumers[s] == 1 for s in sources) and all(map(private, local.maps))
        for source, linear in used:
            spread = linear.absolute(self.radius[source])
            reach = spread
            if source in self.shift or keep:
                known = self.fresh[source] if keep else np.zeros(())
                known = known + np.abs(self.shift[source]) if source in self.shift else known
                reach = up(spread + linear.absolute(np.broadcast_to(known, self.radius[source].shape)), 2)
            terms = max(linear.fan_in, linear.fan_out + self.consumers[source]) + len(sources) + 3
            slack = slack + (gamma(terms) + RELATIVE_FLOOR) * reach
            interval = interval + spread
        if local.shift is not None:
            interval = interval + np.abs(local.shift)
            slack = slack + np.abs(local.shift) * gamma(len(sources) + 1)
        interval = capped(up(interval, len(sources) + 3), local)
        interval = np.where(local.zero, 0.0, np.where(interval == 0.0, 0.0, np.maximum(interval, TINY)))
        fresh = np.broadcast_to(up(noise + slack, len(sources) + 4), interval.shape)
        if not np.isfinite(interval).all() or not np.isfinite(fresh).all():
            self.fresh[name], self.links[name] = interval, ()
            return interval
        if keep:
            self.noise[name] = fresh
            for source, linear in used:
                fresh = up(fresh + linear.absolute(self.fresh[source]), 1)
            self.links[name] = tuple((s, m) for s, m in used if self.carries(s))
            if len(sources) == 1:
                self.chained.add(name)
        else:
            self.noise[name] = fresh
            for source, _ in used:
                self._name(source)
            self.links[name] = tuple((s, m) for s, m in used if self.carries(s))
        self.fresh[name] = fresh
        self._shift(name, used, local)
        return interval

    def _name(self, source: str) -> None:
        """Give names to the fresh symbols of ``source``, once for all its readers."""
        fresh = self.fresh[source]
        if source not in self.named and fresh.any():
            self.named[source] = fresh
            self.fresh[source] = np.zeros(())

    def _shift(self, name: str, used: list[tuple[str, LinearMap]], local: Local) -> None:
        total = local.shift
        for source, linear in used:
            if source in self.shift:
                moved = linear.apply(self.shift[source])
                total = moved if total is None else total + moved
        if total is not None and total.any():
            self.shift[name] = np.broadcast_to(total, self.noise[name].shape)

    def known(self, name: str) -> Array:
        """|shift| + fresh: what is left of the radius beside the named part."""
        fresh = self.fresh[name]
        return up(fresh + np.abs(self.shift[name]), 1) if name in self.shift else fresh
