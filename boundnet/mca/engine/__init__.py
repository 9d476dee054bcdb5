"""The built-in engine: executes the graph operation by operation in a given Arithmetic, vectorised across runs."""
