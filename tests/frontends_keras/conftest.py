"""Keras in float64 for the whole folder, so that mappings can be compared to the last few digits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _float64(request: pytest.FixtureRequest) -> Iterator[None]:
    """float64 as default for one test that asks for ``keras``, whatever ran before in the same process or comes after."""
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
