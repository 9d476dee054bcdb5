"""The compiled step outwards against np.nextafter, at every kind of number."""

from __future__ import annotations

import numpy as np
import pytest

from boundnet.numerics import intervals as box
from boundnet.numerics.intervals import Box


def test_next_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    special = [0.0, -0.0, 5e-324, -5e-324, 2.0**-1022, -(2.0**-1022), 1.0, -1.0, np.finfo(float).max, -np.finfo(float).max]
    bits = rng.integers(-(2**63), 2**63 - 1, size=5000, dtype=np.int64).view(np.float64)
    x = np.concatenate([special, [np.inf, -np.inf, np.nan], np.nextafter(special, 0.0), bits])
    boxes = []
    for limit in (1, 1 << 30):
        monkeypatch.setattr(box, "COMPILED", limit)
        with np.errstate(all="ignore"):
            boxes.append(box._outward(x, x[::-1]))
    compiled, plain = boxes
    assert np.array_equal(compiled.lo, plain.lo)
    assert np.array_equal(compiled.hi, plain.hi)
    assert compiled.lo[np.isnan(x)].tolist() == [-np.inf] * int(np.isnan(x).sum())


def test_shapes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "COMPILED", 1)
    total = Box.exactly(np.ones((2, 3))) + Box.exactly(np.ones(3))
    assert total.lo.shape == total.hi.shape == (2, 3)
    assert np.all((total.lo < 2.0) & (total.hi > 2.0))
