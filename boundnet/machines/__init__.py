"""Machines execute the scalar program of an op: in float64, in intervals, with derivatives, with error bounds, exactly."""
