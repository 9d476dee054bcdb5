"""What a cast loses is told, by layer and number, and never passed for a small change."""

from __future__ import annotations

import numpy as np
import pytest

import boundnet
from boundnet import ops
from boundnet.analysis.casts import cast_losses
from boundnet.graph import LayerGraph
from boundnet.results.io import from_json
from boundnet_reports.rows import cast_error, casting_text


def network(kernel: float) -> LayerGraph:
    graph = LayerGraph("net")
    x = graph.add("image", ops.Input((3,)))
    graph.set_outputs([graph.add("dense", ops.Dense(np.array([[1.0], [0.5], [kernel]])), [x])])
    return graph


def test_inputs_past_the_largest_number() -> None:
    x = np.array([[1.0, 2.0, 3.0], [65519.9, 0.0, 0.0], [65520.0, -7e4, 0.0]])
    found = cast_losses(network(1.0), boundnet.build("binary16"), [x])
    (loss,) = found.losses
    assert (loss.layer, loss.what, loss.values, loss.too_large, loss.largest) == ("image", "inputs", 9, 2, 7e4)
    # 65519.9 still rounds to the largest finite number, 65504.
    assert found.samples.tolist() == [False, False, True]
    analysis = boundnet.analyze(network(1.0), x, "binary16", decision="none")
    (line,) = [w for w in analysis.warnings if "pass the largest number" in w]
    assert "layer 'image': 2 of 9 inputs" in line
    assert "65504; the largest here is 70000" in line
    assert np.isinf(analysis.samples[2].outputs[0].representation_error).all()
    assert np.isfinite(analysis.samples[0].outputs[0].representation_error).all()
    assert cast_error(analysis) == np.inf
    assert casting_text(analysis, np.inf).startswith("casting: 2 weights or inputs do not fit the format")
    assert from_json(analysis.to_json()).cast_losses == analysis.cast_losses


def test_a_weight_past_it_spoils_every_input() -> None:
    found = cast_losses(network(1e5), boundnet.build("binary16"), [np.ones((2, 3))])
    (loss,) = found.losses
    assert (loss.layer, loss.what, loss.too_large) == ("dense", "weights", 1)
    assert found.samples.all()


@pytest.mark.parametrize(
    ("name", "become"),
    [("fp8_e5m2", "become infinite"), ("fp8_e4m3fn", "become NaN"), ("fixed(4,4)", "become the largest number")],
)
def test_what_they_become(name: str, become: str) -> None:
    analysis = boundnet.analyze(network(1.0), np.array([[1e6, 0.0, 0.0]]), name, decision="none")
    assert any(become in line for line in analysis.warnings)


def test_values_that_may_be_flushed_are_counted() -> None:
    analysis = boundnet.analyze(network(2.0**-20), np.ones((1, 3)), boundnet.build("pure-binary16"), decision="none")
    (loss,) = analysis.cast_losses
    assert (loss.what, loss.small, loss.too_large) == ("weights", 1, 0)
    assert "1 small values apart" in casting_text(analysis, 1e-3)
    assert not [w for w in analysis.warnings if "pass the largest" in w]


def test_nothing_is_said_where_all_fits() -> None:
    analysis = boundnet.analyze(network(1.0), np.ones((1, 3)), "binary16", decision="none")
    assert analysis.cast_losses == ()
