"""A network as C99: readable sources, weights in a binary file, a small program and a shared library."""

from boundnet.mca.emit.network import Emitted, emit
from boundnet.mca.emit.write import write

__all__ = ["Emitted", "emit", "write"]
