"""Layers of keras.applications, one to three at a time, eager and compiled: none leaves its bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.application_blocks import BLOCKS, SHAPE, build
from helpers.keras_models import randomise
from helpers.real_windows import Found, compare, distinct, windows

keras = pytest.importorskip("keras", reason="Keras is not installed: nothing to run")
pytest.importorskip("tensorflow", reason="TensorFlow is not installed: nothing to run")
pytestmark = [
    pytest.mark.xdist_group("keras"),
    pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match"),
]

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "MobileNet": ("mobilenet", {}), "MobileNetV2": ("mobilenet_v2", {}), "MobileNetV3Small": ("mobilenet_v3", {}),
    "MobileNetV3Large": ("mobilenet_v3", {}), "ResNet50": ("resnet", {}), "ResNet50V2": ("resnet_v2", {}), "VGG16": ("vgg16", {}),
    "EfficientNetB0": ("efficientnet", {}), "EfficientNetV2B0": ("efficientnet_v2", {}), "DenseNet121": ("densenet", {}),
    "InceptionV3": ("inception_v3", {}), "InceptionResNetV2": ("inception_resnet_v2", {}), "Xception": ("xception", {}),
    "NASNetMobile": ("nasnet", {}), "ConvNeXtTiny": ("convnext", {}),
}  # fmt: skip
SIZE = 96


def none_outside(found: list[Found]) -> None:
    bad = [f"{f.name}: {f.outside} of {f.values}, {f.worst:.6g} times" for f in found if f.outside]
    assert not bad, "; ".join(bad)
    assert max(f.worst for f in found) > 0.1, "bounds that are hardly reached would prove little"


def block(name: str) -> tuple[Any, np.ndarray]:
    """A block of an application with random weights, and an image for it."""
    keras.utils.set_random_seed(1)
    model = build(keras, name)
    randomise(model, 1)
    low, high = (0, 255) if name == "squeeze and excite" else (-1, 1)
    return model, np.random.default_rng(1).uniform(low, high, (1, *SHAPE)).astype(np.float32)


@pytest.fixture(autouse=True)
def float32() -> Any:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("mode", ["tf.function", "XLA"])
@pytest.mark.parametrize("name", ["squeeze and excite", "convnext block"])
def test_blocks_compiled(name: str, mode: str) -> None:
    """Rescaling, normalisation, gates, layer scales: whatever has constants that a compiler may merge."""
    model, image = block(name)
    none_outside(compare(distinct(windows(keras, model, image)), mode))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eager", "tf.function", "XLA"])
@pytest.mark.parametrize("name", BLOCKS)
def test_all_blocks(name: str, mode: str) -> None:
    model, image = block(name)
    none_outside(compare(windows(keras, model, image, longest=4), mode))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eager", "tf.function", "XLA"])
@pytest.mark.parametrize("name", FAMILIES)
def test_families(name: str, mode: str) -> None:
    """Every distinct layer and pair of layers of each family, on an image of 96 x 96 pixels."""
    module, options = FAMILIES[name]
    keras.utils.set_random_seed(2)
    model = getattr(keras.applications, name)(weights=None, input_shape=(SIZE, SIZE, 3), classes=7, **options)
    randomise(model, 2)
    pixels = np.random.default_rng(2).uniform(0, 255, (1, SIZE, SIZE, 3)).astype(np.float32)
    image = np.asarray(getattr(keras.applications, module).preprocess_input(pixels), dtype=np.float32)
    none_outside(compare(distinct(windows(keras, model, image, longest=2)), mode))
