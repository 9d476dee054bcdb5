"""Keras front end: .h5, .hdf5 and .keras files and live models become layer graphs, without importing TensorFlow.

:func:`register` teaches it layers of your own (docs/how-to/extending.md).  ``frontend`` is the object behind the entry point
``boundnet_keras:frontend`` (group ``boundnet.frontends``).
"""

from __future__ import annotations

from boundnet_keras.extensions import register, unregister
from boundnet_keras.frontend import KerasFrontend
from boundnet_keras.lowering import Lowering, Refused, Rule

frontend = KerasFrontend()

__all__ = ["KerasFrontend", "Lowering", "Refused", "Rule", "frontend", "register", "unregister"]
