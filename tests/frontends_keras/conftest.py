"""Keras in float64 for the whole folder, so that mappings can be compared to the last few digits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def keras() -> ModuleType:
    """The installed Keras; tests that ask for it run in float64."""
    pytest.importorskip("tensorflow", reason="TensorFlow isn't installed: nothing to compare the front end with")
    module: ModuleType = pytest.importorskip("keras", reason="Keras isn't installed: nothing to compare the front end with")
    return module


@pytest.fixture(autouse=True)
def _float64(request: pytest.FixtureRequest) -> Iterator[None]:
    """float64 as default for one test, whatever ran before in the same process or comes after."""
    if "keras" not in request.fixturenames:
        yield
        return
    config = request.getfixturevalue("keras").config
    before, policy = config.floatx(), config.dtype_policy()
    config.set_floatx("float64")
    config.set_dtype_policy("float64")
    yield
    config.set_floatx(before)
    config.set_dtype_policy(policy)


def pytest_configure(config: pytest.Config) -> None:
    """Keras converts its variables in a way that NumPy 2 deprecates."""
    config.addinivalue_line("filterwarnings", "ignore:__array__ implementation:DeprecationWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need Keras share one worker, so that TensorFlow is imported once."""
    for item in items:
        if "keras" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("keras"))
