"""Masks, selections and tables: exact where the data decide, infinite where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.numbers_of import every_number

from boundnet import ops
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY32, E4M3FN, E5M2, Format
from boundnet.errors import InputError
from boundnet.ops.base import Tensor
from boundnet.roundoff.rounder import Rounder
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


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.name)
def test_buckets(rules: Arithmetic) -> None:
    """Decided away from boundaries and on those that are numbers of the format; one of several beside the others."""
    op = ops.Bucket((-1.0, 0.1, 0.5, 2.0))
    x = np.array([[-3.0, -1.0, 0.0, 0.5, 1.0, 64.0]])
    local = check_bound(op, [x], rules)
    assert np.array_equal(op.centre(x), [[0.0, 1.0, 1.0, 3.0, 3.0, 4.0]])
    assert local.strip is not None
    assert np.all(local.strip == 0.0)
    assert local.zero[0, 0]
    near = rules.storage.round(np.array([[0.1, 0.4375, 2.5]]))
    radius = np.array([[0.0, 0.125, 1.0]])
    strip = check_bound(op, [near], rules, radius=[radius]).strip
    assert strip is not None
    assert np.array_equal(strip[0, 1:], [1.0, 1.0])
    wide = Tensor(np.zeros((1, 1)), np.full((1, 1), np.inf), np.zeros((1, 1), dtype=np.bool_))
    assert op.local(Rounder(rules), wide).strip == pytest.approx(3.0)
    assert op.difference([wide], op.local(Rounder(rules), wide), [np.ones((1, 1))]) == 4.0


@pytest.mark.parametrize("fmt", [E4M3FN, E5M2], ids=lambda fmt: fmt.name)
def test_buckets_of_every_number(fmt: Format) -> None:
    x = every_number(fmt)[None]
    tiny = fmt.smallest_subnormal
    for edges in ((-300.0, -0.3, -tiny, 0.0, tiny, 0.1, 1.0, 1.06, 17.0), (-tiny / 2, tiny / 2), (0.0,)):
        for subnormals in ("gradual", "ftz", "ftz+daz", "either"):
            for rounding in ("nearest", "any"):
                rules = Arithmetic("fp8", fmt, fmt, rounding=rounding, subnormals=subnormals)  # type: ignore[arg-type]
                check_bound(ops.Bucket(edges), [x], rules, trials=12, exact=False)


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
