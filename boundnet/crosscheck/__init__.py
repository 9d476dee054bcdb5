"""Bounds against executions: every run must lie within the bound for the Arithmetic it ran under."""
