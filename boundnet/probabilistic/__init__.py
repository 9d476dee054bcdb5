"""Square-root bounds: roundings as mean-independent random variables (docs/probabilistic.md)."""
