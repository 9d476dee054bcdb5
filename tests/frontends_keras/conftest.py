"""Keras in float64 for the whole folder, so that mappings can be compared to the last few digits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def keras() -> Iterator[ModuleType]:
    """The installed Keras with float64 as default."""
    pytest.importorskip("tensorflow", reason="TensorFlow isn't installed: nothing to compare the front end with")
    module = pytest.importorskip("keras", reason="Keras isn't installed: nothing to compare the front end with")
    before = module.config.floatx()
    module.config.set_floatx("float64")
    yield module
    module.config.set_floatx(before)


def pytest_configure(config: pytest.Config) -> None:
    """Keras converts its variables in a way that NumPy 2 deprecates."""
    config.addinivalue_line("filterwarnings", "ignore:__array__ implementation:DeprecationWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need Keras share one worker, so that TensorFlow is imported once."""
    for item in items:
        if "keras" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("keras"))
