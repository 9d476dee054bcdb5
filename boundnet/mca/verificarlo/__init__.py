"""Samples from Verificarlo: emitted C, compiled by ``verificarlo-c`` run under its backends (docs/how-to/verificarlo.md)."""

from boundnet.mca.verificarlo.execution import VerificarloBackend

backend = VerificarloBackend()

__all__ = ["VerificarloBackend", "backend"]
