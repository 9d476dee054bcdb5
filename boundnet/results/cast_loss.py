"""Values that do not survive their cast to the storage format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CastLoss:
    """Of one layer's inputs or weights.

    Attributes:
        layer: source layer, nested models with "/".
        what: ``inputs`` or ``weights``.
        values: how many there are.
        too_large: how many pass the largest finite number, and become infinite, NaN or the largest one.
        small: how many a machine may either round or flush to zero.
        largest: largest magnitude.
    """

    layer: str
    what: str
    values: int
    too_large: int
    small: int
    largest: float
