"""Independent oracles: whole graphs evaluated exactly or in certified arithmetic (Arb, mpmath, pyinterval, rationals)."""

from boundnet.reference.evaluate import ENGINES, reference

__all__ = ["ENGINES", "reference"]
