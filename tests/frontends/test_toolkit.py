"""What front ends share, used by a front end that has nothing to do with Keras."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boundnet import frontends, ops
from boundnet.errors import ModelFileError, UnsupportedLayerError
from boundnet.frontends import NodeBuilder, Refusals, Refused, SharedOps, opening
from boundnet.graph import LayerGraph


@dataclass(frozen=True)
class ChannelsFirst(NodeBuilder):
    """A layer of a format whose tensors have channels first."""

    @property
    def channels_first(self) -> bool:
        return True


class ListFrontEnd:
    """Models written as JSON lists of [kind, argument], for images of shape (channels, height, width)."""

    vetted: list[object]

    def __init__(self) -> None:
        self.vetted = []

    def accepts(self, source: object) -> bool:
        return isinstance(source, str | os.PathLike) and os.fspath(source).endswith(".list")

    def vet(self, source: object) -> None:
        self.vetted.append(source)

    def load(self, source: Any, input_shapes: Mapping[str, Sequence[int]] | None = None) -> LayerGraph:
        entries = json.loads(Path(source).read_text())
        graph, used, refused = LayerGraph("list"), SharedOps(), Refusals(str(source))
        x = graph.add("input", ops.Input((2, 3, 4)), layer="input", kind="Input")
        for number, (kind, argument) in enumerate(entries):
            layer = ChannelsFirst(graph, f"{kind}@{number}", kind, kind, used)
            try:
                x = self._lower(layer, x, argument)
            except Refused as reason:
                refused.add(f"{kind}@{number}", kind, str(reason))
        refused.check()
        graph.set_outputs([x])
        return graph

    def _lower(self, layer: NodeBuilder, x: str, argument: Any) -> str:
        if layer.kind == "scale":
            y = layer.add(ops.Dense(np.full((2, 2), float(argument))), layer.to_channels_last(x))
            return layer.from_channels_last(y)
        if layer.kind == "softmax":
            rank = len(layer.shape(x))
            return layer.add(ops.Softmax(layer.axis(argument, rank)), x)
        raise Refused("there is no such layer; leave it out")


class _Point:
    name, value = "list", "test:frontend"

    def __init__(self, frontend: object) -> None:
        self._frontend = frontend

    def load(self) -> object:
        return self._frontend


@pytest.fixture
def frontend(monkeypatch: pytest.MonkeyPatch) -> ListFrontEnd:
    found = ListFrontEnd()
    monkeypatch.setattr(opening, "entry_points", lambda group: [_Point(found)])
    return found


def saved(path: Path, entries: Sequence[tuple[str, Any]]) -> Path:
    path.write_text(json.dumps(list(entries)))
    return path


def test_another_front_end_is_found_vetted_and_loaded(tmp_path: Path, frontend: ListFrontEnd) -> None:
    path = saved(tmp_path / "m.list", [("scale", 2.0), ("softmax", 1)])
    frontends.vet(path)
    assert frontend.vetted == [path]
    graph = frontends.load(path)
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    summed = 2.0 * x.sum(axis=1, keepdims=True).repeat(2, axis=1)
    values = graph.evaluate([x])
    np.testing.assert_array_equal(values[graph.inputs_of(graph.outputs[0])[0]], summed)
    assert [graph.layer_of(name) for name in graph.topological()].count("scale") == 3
    np.testing.assert_array_equal(values[graph.outputs[0]], np.full((1, 2, 3, 4), 0.5))


def test_calls_that_compute_the_same_share_their_weights(tmp_path: Path, frontend: ListFrontEnd) -> None:
    graph = frontends.load(saved(tmp_path / "m.list", [("scale", 2.0), ("scale", 2.0)]))
    assert graph.parameters == 4
    assert graph.op("scale@0") is graph.op("scale@1")
    graph = frontends.load(saved(tmp_path / "n.list", [("scale", 2.0), ("scale", 3.0)]))
    assert graph.parameters == 8


def test_all_refusals_are_told_at_once(tmp_path: Path, frontend: ListFrontEnd) -> None:
    path = saved(tmp_path / "m.list", [("spin", 1), ("softmax", 0), ("twist", 1)])
    with pytest.raises(UnsupportedLayerError) as caught:
        frontends.load(path)
    for told in ("spin@0", "twist@2", "softmax@1", "works along the batch axis"):
        assert told in str(caught.value)


def test_an_axis_that_is_not_there(tmp_path: Path, frontend: ListFrontEnd) -> None:
    with pytest.raises(ModelFileError, match="axis 4 doesn't exist in a tensor of 3 axes"):
        frontends.load(saved(tmp_path / "m.list", [("softmax", 4)]))


def test_nothing_opens_it(tmp_path: Path, frontend: ListFrontEnd) -> None:
    (tmp_path / "m.txt").write_text("x")
    with pytest.raises(ModelFileError, match=r"no installed front end opens this \(installed: list\)"):
        frontends.load(tmp_path / "m.txt")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes can't fork here")
def test_isolated_reading_names_the_library_and_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(b"x")
    frontends.read_isolated(path, lambda p: p.read_bytes(), "the library")
    frontends.read_isolated(path, lambda p: 1 / 0, "the library")  # an exception is the reader's to tell
    with pytest.raises(ModelFileError, match=r"m\.bin: reading it crashes the library \(SIGKILL\)"):
        frontends.read_isolated(path, lambda p: os.kill(os.getpid(), signal.SIGKILL), "the library")
    with pytest.raises(ModelFileError, match=r"m\.bin: reading it does not end within 0\.2 s"):
        frontends.read_isolated(path, lambda p: time.sleep(60.0), "the library", 0.2)
