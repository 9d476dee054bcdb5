"""Keras front end: .h5, .hdf5 and .keras files and live models become layer graphs, without importing TensorFlow.

``frontend`` is the object behind the entry point ``boundnet_keras:frontend`` (group ``boundnet.frontends``).
"""

from __future__ import annotations

from boundnet_keras.frontend import KerasFrontend

frontend = KerasFrontend()

__all__ = ["KerasFrontend", "frontend"]
