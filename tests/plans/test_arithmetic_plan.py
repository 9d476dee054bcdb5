"""Plans: which layer runs in what, read from files and patterns, and everything that can be wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boundnet import ops
from boundnet.arithmetic.presets import build
from boundnet.errors import PlanError
from boundnet.graph import LayerGraph
from boundnet.plans import Override, Plan, keep, plan_data, plan_of, read_plan, write_plan
from boundnet.plans.plan import layer_arithmetics

BF16, FP32, FP16 = build("bfloat16"), build("binary32"), build("binary16")


def network() -> LayerGraph:
    graph = LayerGraph("net")
    x = graph.add("image", ops.Input((3,)), layer="image", kind="InputLayer")
    for name, kind in (("dense", "Dense"), ("block/dense_1", "Dense"), ("head", "Conv1D")):
        x = graph.add(name, ops.Dense(np.eye(3)), [x], layer=name, kind=kind)
    graph.add("unused", ops.Dense(np.eye(3)), [x], layer="unused", kind="Dense")
    graph.set_outputs(["head"])
    return graph


def formats(plan: Plan) -> list[str]:
    return [rules.storage.name for rules in layer_arithmetics(plan, network()).values()]


def test_the_last_override_that_fits_decides() -> None:
    plan = Plan(BF16, (Override("*dense*", FP16), Override("block/*", FP32)))
    assert formats(plan) == ["binary16", "binary32", "bfloat16"]
    assert formats(Plan(BF16, tuple(reversed(plan.overrides)))) == ["binary16", "binary16", "bfloat16"]
    assert formats(Plan(BF16, (Override("Dense", FP32, "class"),))) == ["binary32", "binary32", "bfloat16"]


def test_case_counts_and_a_star_crosses_nested_names() -> None:
    assert formats(Plan(BF16, (Override("b*1", FP32),))) == ["bfloat16", "binary32", "bfloat16"]
    with pytest.raises(PlanError, match=r"layer 'Dense' fits no layer of the network; did you mean 'dense'\?"):
        Plan(BF16, (Override("Dense", FP32),)).resolve(network())


def test_an_override_that_fits_nothing_is_an_error_that_names_what_there_is() -> None:
    plan = Plan(BF16, (Override("conv_7", FP32),), "my.toml")
    with pytest.raises(
        PlanError, match=r"my\.toml: .*'conv_7' fits no layer of the network; it has image, dense, block/dense_1, head$"
    ):
        plan.resolve(network())
    with pytest.raises(PlanError, match="class 'Dens' fits no class of the network; did you mean 'Dense'"):
        Plan(BF16, (Override("Dens", FP32, "class"),)).resolve(network())
    with pytest.raises(PlanError, match="'unused' fits no layer"):  # nothing depends on it: it is not analysed
        Plan(BF16, (Override("unused", FP32),)).resolve(network())


def test_one_arithmetic_is_the_plan_without_overrides() -> None:
    assert Plan(BF16).uniform
    assert Plan(BF16, (Override("dense", BF16),)).uniform
    assert not Plan(BF16, (Override("dense", FP32),)).uniform
    assert set(Plan(BF16).resolve(network()).values()) == {BF16}


TOML = """
[default]
arithmetic = "bfloat16"
order = "sequential"

[[layer]]
match = "dense"
bias = "last"

[[layer]]
class = "Conv1D"
arithmetic = "binary32"

[[layer]]
match = "block/*"
storage = "float(12,8)"
accumulate = "binary32"
"""


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(TOML)
    plan = read_plan(tmp_path / "p.toml")
    assert plan.default == build("bfloat16", order="sequential")
    found = list(layer_arithmetics(plan, network()).values())
    # An entry changes the default; with a format of its own it starts from there, and keeps the default's order.
    assert found[0] == build("bfloat16", order="sequential", bias="last")
    assert found[1] == build(storage="float(12,8)", accumulate="binary32", order="sequential")
    assert found[2] == build("binary32", order="sequential")
    write_plan(plan, tmp_path / "p.json")
    again = read_plan(tmp_path / "p.json")
    assert again.digest == read_plan(tmp_path / "p.json").digest
    assert [r.describe() | {"name": ""} for r in again.resolve(network()).values()] == [
        r.describe() | {"name": ""} for r in plan.resolve(network()).values()
    ]


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_what_is_written_is_read_to_the_same_plan(tmp_path: Path, suffix: str) -> None:
    plan = Plan(
        BF16,
        (
            Override("a*", FP32),
            Override("Conv2D", build("fixed(8,8)"), "class"),
            Override("b", build("binary16", bias="last", rounding="stochastic")),
        ),
    )
    path = tmp_path / f"p{suffix}"
    write_plan(plan, path)
    again = read_plan(path)
    assert [o.match for o in again.overrides] == ["a*", "Conv2D", "b"]
    assert [o.by for o in again.overrides] == ["layer", "class", "layer"]
    assert plan_data(again) == plan_data(plan)
    for one, other in zip(
        (plan.default, *(o.arithmetic for o in plan.overrides)),
        (again.default, *(o.arithmetic for o in again.overrides)),
        strict=True,
    ):
        assert one.describe() | {"name": ""} == other.describe() | {"name": ""}


def test_the_digest_tells_plans_apart_and_not_where_they_come_from() -> None:
    one, other = Plan(BF16, (Override("a", FP32),), "x.toml"), Plan(BF16, (Override("a", FP32),), "y.toml")
    assert one.digest == other.digest
    assert one.digest != Plan(BF16, (Override("a", FP16),)).digest
    assert one.digest != Plan(BF16, (Override("a", FP32, "class"),)).digest
    assert (
        Plan(BF16, (Override("a", FP32), Override("b", FP16))).digest
        != Plan(BF16, (Override("b", FP16), Override("a", FP32))).digest
    )


WRONG: list[tuple[Any, str]] = [
    ([], "a plan is a table"),
    ({"defaults": {}}, "unknown key 'defaults'; a plan has 'default' and 'layer'"),
    ({"default": "bfloat16"}, "default: a table is needed"),
    ({"default": {"arithmetic": "bf17"}}, "default: unknown arithmetic 'bf17'"),
    ({"default": {"arithmetic": 16}}, "default: arithmetic must be text in quotes, not 16"),
    ({"layer": {"match": "a"}}, "'layer' must be a list of tables"),
    ({"layer": ["a"]}, "layer entry 1: a table is needed"),
    ({"layer": [{"match": "a", "arithmetic": "binary32"}, {"arithmetic": "binary32"}]}, "layer entry 2: give 'match'"),
    ({"layer": [{"match": "a", "class": "b", "arithmetic": "binary32"}]}, "layer entry 1: give 'match'"),
    ({"layer": [{"match": "a"}]}, "layer entry 1: it changes nothing"),
    ({"layer": [{"match": "", "arithmetic": "binary32"}]}, "match must be a name or a pattern"),
    ({"layer": [{"match": "a", "format": "binary32"}]}, "unknown key 'format'; known are match, class, arithmetic, storage"),
    ({"layer": [{"match": "a", "order": "backwards"}]}, "layer entry 1: unknown order 'backwards'"),
]


@pytest.mark.parametrize(("data", "message"), WRONG, ids=range(len(WRONG)))
def test_wrong_plans_are_one_clear_error(data: Any, message: str) -> None:
    with pytest.raises(PlanError, match="my plan") as caught:
        plan_of(data, "my plan")
    assert message in str(caught.value)


@pytest.mark.parametrize(("name", "content", "message"), [
    ("p.yaml", b"", "a plan is a .toml or a .json file"),
    ("p.toml", b"[default\n", "not a valid TOML file"),
    ("p.json", b"{", "not a valid JSON file"),
    ("p.json", b"[" * 100_000, "not a valid JSON file"),
    ("p.toml", b"\xff\xfe", "not a valid TOML file"),
])  # fmt: skip
def test_damaged_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PlanError) as caught:
        read_plan(tmp_path / name)
    assert message in str(caught.value)
    assert name in str(caught.value)


def test_files_that_are_not_there_or_not_files(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"p\.toml: no such file"):
        read_plan(tmp_path / "p.toml")
    (tmp_path / "d.json").mkdir()
    with pytest.raises(PlanError, match=r"d\.json: not a regular file"):
        read_plan(tmp_path / "d.json")


def test_keep_keeps_the_command_s_own_order() -> None:
    plan = keep(
        Plan(build("bfloat16", order="sequential")),
        ["dense=binary32", "head = fp16"],
        {"arithmetic": "bfloat16", "order": "sequential"},
    )
    found = list(layer_arithmetics(plan, network()).values())
    assert found == [
        build("binary32", order="sequential"),
        build("bfloat16", order="sequential"),
        build("binary16", order="sequential"),
    ]


@pytest.mark.parametrize("text", ["dense", "=binary32", "dense=", "dense=bf17"])
def test_keep_says_what_it_did_not_understand(text: str) -> None:
    with pytest.raises(PlanError) as caught:
        keep(Plan(BF16), [text])
    assert f"--keep {text}" in str(caught.value)


def test_plans_survive_json(tmp_path: Path) -> None:
    described = Plan(BF16, (Override("a", FP32),)).describe()
    assert json.loads(json.dumps(described)) == described
