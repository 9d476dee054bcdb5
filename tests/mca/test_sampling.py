"""``boundnet mca``: significant digits, spread, stability of decisions."""

from __future__ import annotations

import csv
import json

import jsonschema
import numpy as np
import pytest
from helpers.tiny_models import classifier
from scipy import stats
from typer.testing import CliRunner

from boundnet.cli.app import app
from boundnet.errors import InputError
from boundnet.mca import results
from boundnet.mca.backend import Sampling
from boundnet.mca.digits import biased, mean_of, significant
from boundnet.mca.sample import sample


def test_digits_against_their_definitions():
    rng = np.random.default_rng(0)
    reference = np.array([3.0, -0.01, 0.0, 5.0, 1.0])
    samples = reference * (1 + rng.normal(size=(40, 5)) * 2.0**-12)
    samples[:, 2] = rng.normal(size=40) * 2.0**-20
    samples[3, 3] = np.nan
    samples[:, 4] = 1.0
    general = significant(samples, reference, "general", "relative", 2)
    for j in (0, 1):
        assert general[j] == np.floor(-np.log2(np.abs(samples[:, j] / reference[j] - 1).max()))
    assert list(general[2:]) == [0.0, 0.0, 53.0]
    assert 17 <= significant(samples, reference, "general", "absolute", 2)[2] <= 20
    cnh = significant(samples, reference, "cnh", "relative", 2)
    assert np.all(np.abs(cnh[:2] - 12) < 2)
    ten = significant(samples, reference, "cnh", "relative", 10)
    assert ten[:2] == pytest.approx(cnh[:2] * np.log10(2))
    assert list(ten[3:]) == [0.0, pytest.approx(53 * np.log10(2))]


@pytest.mark.parametrize("bias", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("count", [2, 10])
def test_cnh_holds_with_the_confidence_it_claims(count, bias):
    """Errors of known deviation (and a part that all runs share): the digits claimed hold with probability 0.95."""
    rng = np.random.default_rng(7)
    samples = 1.0 + (rng.normal(size=(count, 4000)) + bias) * 2.0**-20
    for fitted in (False, True):
        reference = mean_of(samples) if fitted else np.ones(4000)
        claimed = significant(samples, reference, "cnh", "relative", 2, fitted=fitted)
        radius, centre = 2.0 ** (20.0 - claimed), 0.0 if fitted else bias
        held = stats.norm.cdf(radius - centre) - stats.norm.cdf(-radius - centre)
        assert np.mean(held >= 0.95) >= 0.97  # 0.975 but for luck with 4000 trials
    # Exactly the published formula where its hypothesis holds and the mean is fitted: Sohier et al. (2021), theorem 2.
    deviation = samples.std(axis=0, ddof=1) / np.abs(reference)
    limit = 0.5 * np.log2((count - 1) / stats.chi2.ppf(0.025, count - 1)) + np.log2(stats.norm.ppf(0.975))
    np.testing.assert_allclose(claimed, np.maximum(-np.log2(deviation) - limit, 0.0), atol=1e-6)
    assert np.mean(biased(samples, np.ones(4000))) == pytest.approx(0.001, abs=0.003) or bias


def test_errors_that_all_runs_share_are_seen(tmp_path):
    """Stored in 8 bits, noise of the sums at 24 bits vanishes: all runs have the same error, which CNH must not miss."""
    model = classifier(tmp_path / "m.h5")
    inputs = np.random.default_rng(1).uniform(size=(20, 3))
    found = sample(model, inputs, "bfloat16", Sampling(10, "rr", 24))
    last = {d.method + d.error: d.median for d in found.layers[-1].digits}
    assert found.layers[-1].biased > 0.5
    assert "errors that all runs share" in found.notes[-1]
    assert last["cnhrelative"] <= last["generalrelative"] + 1 < 13
    assert found.digits.general_probability == pytest.approx(0.05**0.1)
    against_mean = sample(model, inputs, "bfloat16", Sampling(10, "rr", 24), reference="mean")
    assert against_mean.layers[-1].digits[0].median > 30  # what the note warns of
    # One value, ten times: its mean is that value, although the sum of ten is rounded.
    assert mean_of(np.full((10, 1), 0.1)) == 0.1


def test_digits_fall_with_the_virtual_precision(tmp_path):
    model = classifier(tmp_path / "m.h5")
    inputs = np.random.default_rng(1).uniform(size=(5, 3))
    found = [sample(model, inputs, sampling=Sampling(30, "rr", t)) for t in (24, 16, 8)]
    medians = [{d.method + d.error: d.median for d in r.layers[-1].digits}["cnhrelative"] for r in found]
    assert medians[0] > medians[1] + 4 > medians[2] + 8
    assert abs((medians[1] - medians[2]) - 8) < 2


def test_a_tie_flips_and_a_clear_decision_does_not(tmp_path):
    model = classifier(tmp_path / "m.h5")
    found = sample(model, np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), sampling=Sampling(40, "mca", 6))
    assert found.stability[0].changed == 0.0
    assert found.stability[0].classes == {"0": 40}
    assert 0.0 < found.stability[1].changed < 1.0
    assert found.guarantee == "empirical"


def test_stochastic_rounding_and_single_samples(tmp_path):
    model = classifier(tmp_path / "m.h5")
    found = sample(model, np.ones((1, 3)) / 3, "bfloat16", Sampling(1, "stochastic"), keep_samples=True)
    assert set(found.outputs[0].digits) == {"general_relative", "general_absolute"}
    assert found.outputs[0].samples.shape == (1, 2)
    with pytest.raises(InputError, match="base"):
        sample(model, base=3)


def test_command_writes_results(tmp_path):
    model = classifier(tmp_path / "m.h5")
    path, table = tmp_path / "r.json", tmp_path / "r.csv"
    words = ["mca", model, "--first", 3, "--samples", 5, "--json", path, "--csv", table, "--base", 10, "--keep-samples"]
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("SAMPLED")
    data = json.loads(path.read_text())
    jsonschema.validate(data, json.loads(results.SCHEMA.read_text()))
    again = results.sampled_from_json(path.read_text())
    assert json.loads(again.to_json()) == data
    assert again.outputs[0].samples.shape == (5, 2)
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 6
    assert float(rows[0]["low"]) <= float(rows[0]["mean"]) <= float(rows[0]["high"])
    # The recorded command repeats the run.
    second = tmp_path / "again.json"
    CliRunner().invoke(app, [*again.command[1:], "--json", str(second)])
    repeated = results.sampled_from_json(second.read_text())
    assert all(np.array_equal(a.mean, b.mean) for a, b in zip(again.outputs, repeated.outputs, strict=True))


@pytest.mark.parametrize(
    "words", [["--backend", "builtin,keras"], ["--mode", "rr,mca"], ["--base", "3"], ["--against", "truth"]]
)
def test_bad_use(tmp_path, words):
    model = classifier(tmp_path / "m.h5")
    done = CliRunner().invoke(app, ["mca", str(model), *words])
    assert done.exit_code == 2
    assert "boundnet: error:" in done.stderr
