"""Attempts to refute bounds: emulated executions of one op, whole networks and boxes (:mod:`boundnet.testing`)."""
