"""Settings for all tests."""

from __future__ import annotations

import os

# Tests run in one process a core: BLAS threads of their own would only wait for each other.  Set before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
