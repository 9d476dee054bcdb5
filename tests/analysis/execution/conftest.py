"""A pool of two processes that tests share: starting one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import boundnet
from boundnet.analysis.execution.pool import ProcessPool


@pytest.fixture(scope="session")
def pool() -> Iterator[ProcessPool]:
    with boundnet.processes(2) as found:
        yield found
