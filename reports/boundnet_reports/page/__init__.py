"""The pieces of the HTML report: each module turns a result into one section's figures and drawings.

Drawings are inline SVG.  In plots x is in per cent and y in pixels, so that they fill any width while text keeps its size.
"""
