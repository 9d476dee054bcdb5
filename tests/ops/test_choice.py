"""Masks, selections and tables: exact where the data decide, infinite where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.errors import InputError
from boundnet.formats import BFLOAT16, BINARY32, E4M3FN
from boundnet.ops.base import Tensor
from boundnet.rounder import Rounder
from boundnet.testing import check_bound

RULES = [
    Arithmetic("binary32"),
    Arithmetic("fp8", E4M3FN, E4M3FN, subnormals="gradual"),
    Arithmetic("mixed", BFLOAT16, BINARY32, rounding="any"),
]


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.name)
def test_decided(rules: Arithmetic) -> None:
    rng = np.random.default_rng(0)
    x = rules.storage.round(rng.normal(size=(2, 4, 3)))
    x[:, 1] = 0.0
    assert check_bound(ops.Differs(0.0), [x], rules).zero[:, 1].all()
    mask, one, other = np.array([[[1.0], [0.0]]]), rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 2, 3))
    radius = [np.zeros(mask.shape), np.full(one.shape, 0.1), np.full(one.shape, 0.2)]
    check_bound(ops.Select(), [mask, one, other], rules, radius=radius)
    check_bound(ops.Lookup(rng.normal(size=(5, 2))), [np.array([[0.0, 4.0, 2.0]])], rules)
    check_bound(ops.Blank((2, 2)), [x], rules)
    check_bound(ops.AddBiased(rng.normal(size=3)), [x[:, 0], x[:, 2]], rules)


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.name)
def test_undecided(rules: Arithmetic) -> None:
    """A step that may be masked or not, an index that may be one or the next: nothing is claimed."""
    near = Tensor(np.full((1, 2, 1), 0.01), np.full((1, 2, 1), 0.02), np.zeros((1, 2, 1), dtype=np.bool_))
    local = ops.Differs(0.0).local(Rounder(rules), near)
    assert local.strip is not None
    assert np.all(local.strip == 1.0)
    mask = Tensor(np.ones((1, 2, 1)), np.ones((1, 2, 1)), np.zeros((1, 2, 1), dtype=np.bool_))
    assert np.isinf(ops.Select().local(Rounder(rules), mask, near, near).rounding).all()
    index = Tensor(np.full((1, 1), 0.999), np.full((1, 1), 0.01), np.zeros((1, 1), dtype=np.bool_))
    assert np.isinf(ops.Lookup(np.eye(3)).local(Rounder(rules), index).rounding).all()
    open_ = ops.MaskedSoftmax(1, None).local(Rounder(rules), near, mask)
    assert np.isinf(open_.rounding).all()


def test_masked_softmax_by_data() -> None:
    rng = np.random.default_rng(0)
    scores, mask = rng.normal(size=(2, 3, 4)), np.ones((2, 1, 4))
    mask[0, 0, 1] = mask[1, 0, 3] = 0.0
    for rules in RULES:
        stored = rules.storage.round(scores)
        local = check_bound(ops.MaskedSoftmax(1), [stored, mask], rules, radius=[np.full(scores.shape, 0.03), mask * 0.0])
        if rules.name != "fp8":  # too coarse for any bound
            assert local.zero[0, :, 1].all()
            assert np.isfinite(local.rounding).all()


def test_an_index_outside_the_table() -> None:
    with pytest.raises(InputError, match="index 7 is outside of a table of 5"):
        ops.Lookup(np.eye(5)).centre(np.array([[1.0, 7.0]]))
