"""Opening models, and what every front end shares: node names, shared weights, refusals, axes, isolated reading.

A front end lowers one kind of file or live model to a :class:`boundnet.graph.LayerGraph`.  It is found through the
entry-point group ``boundnet.frontends``; :class:`FrontEnd` says what such an entry point must be.
"""

from boundnet.frontends.isolation import read_isolated
from boundnet.frontends.node_builder import NodeBuilder
from boundnet.frontends.opening import load, load_for, vet
from boundnet.frontends.protocol import FrontEnd
from boundnet.frontends.refusals import Refusals, Refused
from boundnet.frontends.shared_ops import SharedOps

__all__ = ["FrontEnd", "NodeBuilder", "Refusals", "Refused", "SharedOps", "load", "load_for", "read_isolated", "vet"]
