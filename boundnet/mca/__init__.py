"""Executions to confront bounds with: the built-in engine, other backends, and statistics of their samples."""
