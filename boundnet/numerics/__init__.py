"""The analyzer's own arithmetic: outward rounding, enclosures, norms, and random streams that anybody can repeat."""
