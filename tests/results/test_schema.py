"""The JSON form: valid by its schema, documented, and read back without loss."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.tiny_models import classifier, regressor, write_two_inputs
from jsonschema import Draft202012Validator

import boundnet
from boundnet.analysis.layer_table import Values
from boundnet.errors import InputError
from boundnet.results import Analysis
from boundnet.results.io import SCHEMA, from_dict, from_json

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "results.md"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(found)
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Analysis]:
    """One result of every kind."""
    folder = tmp_path_factory.mktemp("models")
    model, line = classifier(folder / "c.h5"), regressor(folder / "r.h5")
    ones = np.ones((1, 3))
    return {
        "classes": boundnet.analyze(model, ones),
        "random": boundnet.analyze(model),
        "no decision": boundnet.analyze(line),
        "two inputs": boundnet.analyze(write_two_inputs(folder / "t.h5")),
        "overflow": boundnet.analyze(regressor(folder / "o.h5", 3e4), np.full((1, 2), 3.0), "pure-binary16"),
        "fixed": boundnet.analyze(line, np.ones((1, 2)), "fixed(8,8)"),
        "box": boundnet.analyze(model, box=(ones - 0.1, ones + 0.1)),
        "bfloat16": boundnet.analyze(model, ones * 0.1, "bfloat16"),
    }


KINDS = ["classes", "random", "no decision", "two inputs", "overflow", "fixed", "box", "bfloat16"]


@pytest.mark.parametrize("kind", KINDS)
def test_results_conform(results: dict[str, Analysis], schema: dict[str, Any], kind: str) -> None:
    Draft202012Validator(schema).validate(json.loads(results[kind].to_json()))


@pytest.mark.parametrize("kind", KINDS)
def test_read_back_without_loss(results: dict[str, Analysis], kind: str) -> None:
    text = results[kind].to_json()
    again = from_json(text)
    assert again.to_json() == text
    assert again.proved == results[kind].proved
    assert isinstance(again.samples[0].outputs[0].value, np.ndarray)


def test_version_1_0_is_still_read(schema: dict[str, Any]) -> None:
    text = (Path(__file__).parents[1] / "reports" / "golden" / "analysis-1.0.json").read_text()
    Draft202012Validator(schema).validate(json.loads(text))
    old = from_json(text)
    assert old.schema_version == "1.0"
    assert old.nodes == ()
    assert old.layers[0].rms_value is None
    assert old.proved is False


def test_nodes_are_the_network(results: dict[str, Analysis]) -> None:
    for result in results.values():
        names = [node.name for node in result.nodes]
        layers = {layer.name: layer for layer in result.layers}
        for position, node in enumerate(result.nodes):
            assert set(node.inputs) <= set(names[:position])
            assert node.name in layers[node.layer].nodes
        labels = [node.output for node in result.nodes if node.output is not None]
        assert labels == [output.name for output in result.samples[0].outputs]


def test_layers_know_the_values_they_take(results: dict[str, Analysis]) -> None:
    first = results["classes"].layers[0]
    assert (first.largest_value, first.rms_value, first.smallest_value, first.subnormal_share) == (1.0, 1.0, 1.0, 0.0)
    for result in results.values():
        for layer in result.layers:
            assert layer.largest_value is not None
            assert layer.rms_value is not None
            assert layer.rms_value <= layer.largest_value * (1 + 1e-12)
            assert layer.largest_value <= max(abs(layer.low), abs(layer.high))


def test_promised_keys(results: dict[str, Analysis]) -> None:
    data = results["classes"].to_dict()
    promised = {
        "": "schema_version model arithmetic guarantee assumptions inputs samples layers summary timings",
        "model": "path sha256 parameters",
        "inputs": "source count",
        "samples.0": "index outputs logits decision",
        "samples.0.outputs.0": "name value absolute_bound relative_bound",
        "samples.0.logits": "value absolute_bound",
        "samples.0.decision": "class margin proved",
        "layers.0": "name kind shape absolute_bound error_share may_overflow",
        "summary": "max_absolute_bound max_absolute_bound_in_u proved total",
    }
    for path, keys in promised.items():
        part: Any = data
        for step in filter(None, path.split(".")):
            part = part[int(step)] if step.isdigit() else part[step]
        assert set(keys.split()) <= set(part), path


def test_a_box_is_one_sample(results: dict[str, Analysis]) -> None:
    data = results["box"].to_dict()
    assert data["inputs"]["count"] == len(data["samples"]) == 1


def test_every_key_is_in_the_schema_and_documented(results: dict[str, Analysis], schema: dict[str, Any]) -> None:
    documented = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", DOCUMENT.read_text()))))
    for result in results.values():
        assert set(_keys(result.to_dict(), schema, schema)) <= documented


def _keys(data: Any, node: Any, schema: dict[str, Any]) -> Iterator[str]:
    """Keys of ``data``; each must be a property of the schema where the schema names properties."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in node:
        node = next((n for n in node["anyOf"] if n.get("type") == "object" or "$ref" in n), {})
    if isinstance(data, dict):
        for key, value in data.items():
            if "properties" in node:
                yield key
                yield from _keys(value, node["properties"][key], schema)
    elif isinstance(data, list):
        for value in data[:2]:
            yield from _keys(value, node.get("items", {}), schema)


def test_unknown_keys_are_ignored(results: dict[str, Analysis]) -> None:
    data = results["classes"].to_dict()
    assert from_dict({**data, "later": 1, "schema_version": "1.7"}).summary == results["classes"].summary


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": "2.0"}, "schema version 2.0"),
        ({"summary": {}}, "result.summary: 'max_absolute_bound' is missing"),
        ({"samples": 3}, "result.samples: a list is needed"),
        ({"verdict": 1}, "result.verdict: str is needed"),
        ({"timings": {"total": "soon"}}, "result.timings.total: numbers are needed"),
    ],
)
def test_other_files_are_refused(results: dict[str, Analysis], change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        from_dict({**results["classes"].to_dict(), **change})


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100000])
def test_no_result_at_all(text: str) -> None:
    with pytest.raises(InputError, match="not a BoundNet result"):
        from_json(text)


def test_statistics_of_values_merge_and_do_not_overflow() -> None:
    whole, parts = Values(), (Values(), Values())
    values = np.array([3e200, -4e200, 0.0, 1e-310])
    whole.add(values, 2.0**-1022)
    for part, chunk in zip(parts, (values[:1], values[1:]), strict=True):
        part.add(chunk, 2.0**-1022)
    parts[0].merge(parts[1])
    for found in (whole, parts[0]):
        assert found.rms == pytest.approx(2.5e200)
        assert (found.largest, found.smallest, found.nonzero, found.subnormal) == (4e200, 1e-310, 3, 1)
    whole.add(np.array([np.nan]), 0.0)
    assert whole.rms == whole.largest == np.inf
