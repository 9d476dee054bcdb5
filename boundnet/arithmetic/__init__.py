"""What a machine may do: formats, orders of sums, fused operations, subnormal numbers, the accuracy of its functions."""

from boundnet.arithmetic.model import ANY, OWN, SEQUENTIAL, Arithmetic, Order, parse_order

__all__ = ["ANY", "OWN", "SEQUENTIAL", "Arithmetic", "Order", "parse_order"]
