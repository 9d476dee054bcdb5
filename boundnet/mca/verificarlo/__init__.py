"""Samples from Verificarlo: emitted C compiled by ``verificarlo-c`` and run under its backends (docs/verificarlo.md)."""

from boundnet.mca.verificarlo.execution import VerificarloBackend

backend = VerificarloBackend()

__all__ = ["VerificarloBackend", "backend"]
