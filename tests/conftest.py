"""Settings for all tests."""

from __future__ import annotations

import os
import signal

# Tests run in one process a core: BLAS threads of their own would only wait for each other.  Set before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts work in the background with Ctrl-C ignored, and children inherit that: tests that send it would wait forever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
