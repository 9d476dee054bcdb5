"""Outward rounding for those who write rules of their own: the public names of :mod:`boundnet.numerics.outward`."""

from boundnet.numerics.outward import TINY, Array, Mask, W, add_up, down, gamma, raise_tiny, ufp, up, up_float

__all__ = ["TINY", "Array", "Mask", "W", "add_up", "down", "gamma", "raise_tiny", "ufp", "up", "up_float"]
