"""BoundNet: rigorous bounds on the rounding errors of trained networks."""
