"""Square-root bounds: roundings as mean-independent random variables (docs/explanation/probabilistic.md)."""
