"""Boxes of inputs: one bound for all inputs between two ends (docs/how-to/boxes.md).

Two forms run side by side.  The range form bounds every value that the exact network or any conforming execution can take
over the box; it decides slopes and magnitudes.  The difference form bounds |computed - exact| at one and the same input,
with slopes that hold between all pairs of points in those ranges.  Subdivision bounds many small boxes instead of one.
"""
