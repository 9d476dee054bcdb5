"""Keras in float64 for the whole folder, so that mappings can be compared to the last few digits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def keras() -> Iterator[ModuleType]:
    """The installed Keras with float64 as default."""
    pytest.importorskip(
        "tensorflow", reason="TensorFlow isn't installed: nothing to compare the front end with"
    )
    module = pytest.importorskip(
        "keras", reason="Keras isn't installed: nothing to compare the front end with"
    )
    before = module.config.floatx()
    module.config.set_floatx("float64")
    yield module
    module.config.set_floatx(before)
