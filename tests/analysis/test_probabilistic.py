"""The probabilistic guarantee from end to end: what a result says, and what it never says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.simulate import single, stochastic, traced
from helpers.tiny_models import classifier
from jsonschema import Draft202012Validator

import boundnet
from boundnet import ops
from boundnet.arithmetic.formats import BINARY16
from boundnet.domains.chance import exceedance
from boundnet.errors import FormatError, InputError
from boundnet.graph import LayerGraph
from boundnet.mca.engine.run import execute
from boundnet.results import Analysis
from boundnet.results.io import SCHEMA, from_json

DIGITS = Path(__file__).parents[2] / "examples" / "digits_cnn.h5"
WITH = {"guarantee": "probabilistic"}


def images(count: int) -> np.ndarray:
    with np.load(DIGITS.parent / "digits_test.npz") as data:
        found: np.ndarray = data["inputs"][:count]
        return found


@pytest.fixture(scope="module")
def likely() -> Analysis:
    return boundnet.analyze(DIGITS, images(3), "binary16", **WITH)  # type: ignore[arg-type]


def test_result_is_likely_and_proves_nothing(likely: Analysis) -> None:
    assert likely.guarantee == "probabilistic"
    assert not likely.proved
    assert likely.holds
    assert (likely.summary.proved, likely.summary.likely, likely.summary.holding) == (0, 3, 3)
    assert all(s.decision is not None and s.decision.likely and not s.decision.proved for s in likely.samples)
    assert likely.verdict.startswith("LIKELY: ")
    assert "proved" not in likely.verdict.lower()


def test_probability_is_that_of_the_whole_claim(likely: Analysis) -> None:
    chance = likely.chance
    assert chance is not None
    assert chance.model == "model"
    assert chance.statements > 4 * sum(int(np.prod(node.shape)) for node in likely.nodes)
    assert chance.rounding_probability >= chance.statements * exceedance(chance.lam)
    assert likely.failure_probability is not None
    assert chance.rounding_probability + chance.coins_probability <= likely.failure_probability <= 2.1e-9
    assert any("a model, not a fact" in line for line in likely.assumptions)


def test_stochastic_rounding_is_a_theorem() -> None:
    rules = boundnet.build("binary32", rounding="stochastic")
    found = boundnet.analyze(DIGITS, images(1), rules, **WITH)  # type: ignore[arg-type]
    assert found.chance is not None
    assert found.chance.model == "theorem"
    assert "a theorem for stochastic rounding" in found.verdict
    assert any("Connolly" in line for line in found.assumptions)


def test_stored_numbers_are_cast_to_nearest_under_stochastic_rounding() -> None:
    """What casting changes is known then, and no noise of half a spacing or more on every weight."""
    rules = boundnet.build("binary16", rounding="stochastic")
    likely = boundnet.analyze(DIGITS, images(1), rules, **WITH)  # type: ignore[arg-type]
    worst = boundnet.analyze(DIGITS, images(1), rules)
    assert np.any(likely.samples[0].outputs[0].representation_error != 0.0)
    assert not np.any(worst.samples[0].outputs[0].representation_error)
    assert likely.summary.likely == 1
    assert any("is cast to binary16 once, to nearest" in line for line in likely.assumptions)
    assert likely.summary.max_logit_bound is not None
    assert worst.summary.max_logit_bound is not None
    assert likely.summary.max_logit_bound < worst.summary.max_logit_bound / 3


def test_square_roots_are_smaller_where_many_roundings_meet() -> None:
    worst = boundnet.analyze(DIGITS, images(1), "binary32")
    found = boundnet.analyze(DIGITS, images(1), "binary32", **WITH)  # type: ignore[arg-type]
    assert found.summary.max_logit_bound is not None
    assert worst.summary.max_logit_bound is not None
    assert found.summary.max_logit_bound < worst.summary.max_logit_bound / 5


@pytest.mark.parametrize("domain", ["interval", "affine", "sketch"])
def test_every_domain_gives_it(domain: str) -> None:
    found = boundnet.analyze(DIGITS, images(1), "bfloat16", domain=domain, coins=3, **WITH)  # type: ignore[arg-type]
    assert found.summary.likely == 1
    assert found.chance is not None
    assert (found.chance.coins_probability > 0.0) == (domain == "sketch")


def test_json_is_valid_and_read_back(likely: Analysis) -> None:
    text = likely.to_json()
    data = json.loads(text)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(data)
    assert data["chance"]["lambda"] == likely.chance.lam  # type: ignore[union-attr]
    assert data["samples"][0]["decision"]["likely"] is True
    again = from_json(text)
    assert again.to_json() == text
    assert again.holds
    assert not again.proved


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"guarantee": "probabilistic", "lam": 2.0}, "says nothing here"),
        ({"guarantee": "probabilistic", "lam": -1.0}, "positive number"),
        ({"guarantee": "probabilistic", "lam": float("nan")}, "positive number"),
        ({"lam": 8.0}, "for the probabilistic guarantee"),
        ({"guarantee": "empirical"}, "worst-case or probabilistic"),
        ({"guarantee": "probabilistic", "box": (np.zeros((1, 3)), np.ones((1, 3)))}, "boxes"),
    ],
)
def test_bad_requests(request_: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        boundnet.analyze(classifier(tmp_path / "m.h5"), np.ones((1, 3)), **request_)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"rounding": "toward_zero"}, {"rounding": "any"}])
def test_biased_roundings_are_refused(change: dict[str, str], tmp_path: Path) -> None:
    rules = boundnet.build("binary32", **change)
    with pytest.raises(FormatError, match="biased"):
        boundnet.analyze(classifier(tmp_path / "m.h5"), np.ones((1, 3)), rules, **WITH)  # type: ignore[arg-type]


def test_a_model_in_doubt_says_so() -> None:
    """A constant picture: all sums of a convolution are one number, and to nearest they all err alike."""
    rng = np.random.default_rng(2)
    graph = LayerGraph("flat")
    node = graph.add("x", ops.Input((12, 12, 1)))
    node = graph.add("conv", ops.Conv(BINARY16.round(rng.normal(size=(3, 3, 1, 2)))), [node])
    node = graph.add("flat", ops.Reshape((10 * 10 * 2,)), [node])
    graph.add("sum", ops.Dense(np.ones((10 * 10 * 2, 1))), [node])
    graph.set_outputs(["sum"])
    flat = np.full((1, 12, 12, 1), BINARY16.round(np.array(0.3)))
    noisy = BINARY16.round(rng.normal(size=flat.shape))
    doubted = boundnet.analyze(graph, flat, "binary16", domain="interval", **WITH)  # type: ignore[arg-type]
    assert any("'conv' occur more than once" in line for line in doubted.warnings)
    assert not boundnet.analyze(graph, noisy, "binary16", domain="interval", **WITH).warnings  # type: ignore[arg-type]
    # Stochastic rounding draws anew for each of them: nothing to doubt.
    rules = boundnet.build("binary16", rounding="stochastic")
    assert not boundnet.analyze(graph, flat, rules, domain="interval", **WITH).warnings  # type: ignore[arg-type]


def test_the_doubt_is_justified() -> None:
    """The same convolution summed exactly: to nearest the errors add up past any square root."""
    rng = np.random.default_rng(2)
    kernel = BINARY16.round(rng.normal(size=(3, 3, 1, 1)))
    flat = np.full((1, 80, 80, 1), BINARY16.round(np.array(0.3)))
    graph = single(ops.Conv(kernel), (80, 80, 1))
    rules = replace(stochastic("binary16"), rounding="nearest")
    local = traced(graph, [flat], rules, 8.0).locals["y"]
    assert local.deviation is not None
    (computed,) = (value for name, value in execute(graph, [flat], rules, 1, 0) if name == "y")
    error = abs(float((computed[0] - graph.evaluate([flat])["y"]).sum()))
    assert error > 8.0 * float(np.sqrt(np.square(local.deviation).sum())) + float(local.rounding.sum())
