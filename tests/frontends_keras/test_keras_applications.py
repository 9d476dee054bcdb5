"""What keras.applications is made of: lowered as Keras computes it, and bounded by what Keras really computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.application_blocks import BLOCKS, SHAPE, build
from helpers.keras_models import check, randomise

import boundnet
from boundnet_keras import frontend


@dataclass(frozen=True)
class Computed:
    """Files of a block, images for it, and Keras's float32 results by the way they were computed."""

    files: tuple[Path, ...]
    x: np.ndarray
    results: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def computed(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Computed]:
    """Every block in float32: built, randomised, saved and run once."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        folder = tmp_path_factory.mktemp("blocks")
        found = {name: _computed(keras, name, number, folder) for number, name in enumerate(BLOCKS)}
    finally:
        keras.config.set_dtype_policy(before)
    return found


def _computed(keras: Any, name: str, seed: int, folder: Path) -> Computed:
    keras.utils.set_random_seed(seed)
    model = build(keras, name)
    randomise(model, seed)
    low, high = (0, 255) if name == "squeeze and excite" else (-1, 1)
    x = np.random.default_rng(seed).uniform(low, high, (3, *SHAPE)).astype(np.float32)
    results = {
        "each": np.concatenate([np.asarray(model(image[None], training=False)) for image in x]),
        "batch": np.asarray(model(x, training=False)),
        "compiled": model.predict(x, verbose=0),
    }
    files = tuple(folder / f"{seed}.{suffix}" for suffix in ("keras", "h5"))
    for file in files:
        model.save(file)
    return Computed(files, x.astype(np.float64), results)


@pytest.mark.parametrize("name", BLOCKS)
def test_block_is_lowered_and_bounded(computed: dict[str, Computed], name: str) -> None:
    """Both files give the same graph; no float32 run of Keras leaves the any-order bound, and the bound says something."""
    case = computed[name]
    graphs = [frontend.load(file) for file in case.files]
    values = [graph.evaluate([case.x])[graph.outputs[0]] for graph in graphs]
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_allclose(values[0], case.results["batch"], rtol=1e-3, atol=1e-4)
    analysis = boundnet.analyze(graphs[0], case.x, "binary32")
    for sample in analysis.samples:
        (output,) = sample.outputs
        assert output.absolute_bound.max() < 0.1, analysis.verdict
        cast = output.value + output.representation_error
        for way, result in case.results.items():
            apart = np.abs(result[sample.index].astype(np.float64) - cast)
            assert np.all(apart <= output.rounding_bound), f"{name}, {way}: {apart.max()} > {output.rounding_bound.min()}"


def test_scaled_residual_of_inception_resnet(keras: Any, tmp_path: Path) -> None:
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    x = keras.Input((3, 2))
    y = CustomScaleLayer(scale=0.17)([x, keras.layers.Dense(2)(x)])
    graph = check(keras.Model(x, y), tmp_path)
    assert [type(graph.op(name)).__name__ for name in graph.topological()] == ["Input", "Dense", "ScaleShift", "Add"]


def test_stochastic_depth_is_nothing_at_inference(keras: Any, tmp_path: Path) -> None:
    from keras.src.applications.convnext import LayerScale, StochasticDepth

    x = keras.Input((4,))
    y = StochasticDepth(0.5)(LayerScale(1e-6, 4)(keras.layers.Dense(4)(x)))
    graph = check(keras.Model(x, y), tmp_path)
    assert "StochasticDepth" not in {graph.kind_of(name) for name in graph.topological()}
