"""Settings for all tests."""

from __future__ import annotations

import os
import signal
import sys
from types import ModuleType

import pytest

# Tests run in one process a core: BLAS threads of their own would only wait for each other.  Set before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A shell starts work in the background with Ctrl-C ignored, and children inherit that: tests that send it would wait forever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Keep bytecode beside pytest's cache where the environment forbids it (container images do).

    Workers and the processes that tests start would each compile Numba, SymPy and TensorFlow from source: seconds a process.
    """
    if sys.dont_write_bytecode and not hasattr(config, "workerinput") and getattr(config, "cache", None) is not None:
        folder = str(config.cache.mkdir("bytecode"))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        sys.dont_write_bytecode, sys.pycache_prefix = False, folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need Keras share one worker, so that TensorFlow is imported once."""
    for item in items:
        if "keras" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("keras"))


@pytest.fixture(scope="session")
def keras() -> ModuleType:
    """The installed Keras.  Never imported at a test module's top: each worker collects every module."""
    pytest.importorskip("tensorflow", reason="TensorFlow isn't installed: nothing to compare with")
    module: ModuleType = pytest.importorskip("keras", reason="Keras isn't installed: nothing to compare with")
    return module
