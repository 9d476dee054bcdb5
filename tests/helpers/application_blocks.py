"""The blocks that keras.applications is made of, small: each takes a (12, 12, 3) image to a few logits and a softmax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

SHAPE = (12, 12, 3)


def inverted_residual(keras: Any, x: Any) -> Any:
    """MobileNetV2: expand, depthwise with relu6, project without activation, add."""
    layers = keras.layers
    x = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(x)
    x = shortcut = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(12, 1, use_bias=False)(x)))
    x = layers.ZeroPadding2D(((1, 1), (1, 1)))(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, use_bias=False)(x)))
    x = layers.BatchNormalization()(layers.Conv2D(4, 1, use_bias=False)(x))
    return layers.Add()([shortcut, x])


def squeeze_excite(keras: Any, x: Any) -> Any:
    """MobileNetV3 and EfficientNet: Rescaling and Normalization inside, gates by operators and by sigmoid."""
    layers = keras.layers
    x = layers.Rescaling(1.0 / 127.5, offset=-1.0)(x)
    x = layers.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.05, 0.0502, 0.0506])(x)
    x = layers.Rescaling([0.5, 1.5, 2.0])(x)
    x = layers.Activation("hard_silu")(layers.Conv2D(6, 3, padding="same")(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.ReLU()(layers.Conv2D(3, 1)(gate))
    gate = layers.ReLU(6.0)(layers.Conv2D(6, 1)(gate) + 3.0) * (1.0 / 6.0)
    x = layers.Multiply()([x, gate])
    gate = layers.Reshape((1, 1, 6))(layers.GlobalAveragePooling2D()(x))
    gate = layers.Conv2D(6, 1, activation="sigmoid")(layers.Conv2D(2, 1, activation="swish")(gate))
    x = layers.multiply([x, gate])
    return layers.Dropout(0.3, noise_shape=(None, 1, 1, 1))(x)


def dense_block(keras: Any, x: Any) -> Any:
    """DenseNet: concatenations of all that came before, then a transition; max pooling in front."""
    layers = keras.layers
    x = layers.ZeroPadding2D(((1, 1), (1, 1)))(layers.Conv2D(4, 3, padding="same")(x))
    x = layers.MaxPooling2D(3, strides=2)(x)
    for _ in range(3):
        y = layers.Activation("relu")(layers.BatchNormalization(epsilon=1.001e-5)(x))
        y = layers.Conv2D(3, 3, padding="same", use_bias=False)(y)
        x = layers.Concatenate(axis=3)([x, y])
    x = layers.Activation("relu")(layers.BatchNormalization(epsilon=1.001e-5)(x))
    return layers.AveragePooling2D(2, strides=2)(layers.Conv2D(4, 1, use_bias=False)(x))


def inception_block(keras: Any, x: Any) -> Any:
    """Inception: parallel branches, factorised kernels, batch normalisation without scale; a scaled residual."""
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    layers = keras.layers

    def conv(x: Any, filters: int, size: Any) -> Any:
        x = layers.Conv2D(filters, size, padding="same", use_bias=False)(x)
        return layers.Activation("relu")(layers.BatchNormalization(scale=False)(x))

    first, second = conv(x, 2, 1), conv(conv(conv(x, 2, 1), 2, (1, 5)), 3, (5, 1))
    pooled = conv(layers.AveragePooling2D((3, 3), strides=(1, 1), padding="same")(x), 2, 1)
    x = layers.concatenate([first, second, pooled], axis=3)
    up = layers.Conv2D(7, 1)(conv(x, 3, 1))
    x = layers.Activation("relu")(CustomScaleLayer(scale=0.17)([x, up]))
    other = layers.MaxPooling2D(3, strides=2)(x)
    return layers.Concatenate()([layers.Conv2D(2, 3, strides=2)(x), other])


def convnext_block(keras: Any, x: Any) -> Any:
    """ConvNeXt: a nested stem, depthwise 7 x 7, layer normalisation, gelu, LayerScale, StochasticDepth."""
    from keras.src.applications.convnext import LayerScale, StochasticDepth

    layers = keras.layers
    stem = [layers.Conv2D(6, 3, strides=3), layers.LayerNormalization(epsilon=1e-6)]
    x = keras.Sequential(stem, name="stem")(x)
    y = layers.Conv2D(6, 7, padding="same", groups=6)(x)
    y = layers.LayerNormalization(epsilon=1e-6)(y)
    y = layers.Dense(6)(layers.Activation("gelu")(layers.Dense(12)(y)))
    y = StochasticDepth(0.2)(LayerScale(0.3, 6)(y))
    return x + y


def nasnet_cell(keras: Any, x: Any) -> Any:
    """NASNet: separable branches, pooling minus nothing, two paths shifted by cropping a padded copy."""
    layers = keras.layers
    p = x = layers.BatchNormalization()(layers.Conv2D(4, 3, strides=1, use_bias=False, padding="same")(x))
    path = layers.ZeroPadding2D(((0, 1), (0, 1)))(p)
    path = layers.Cropping2D(((1, 0), (1, 0)))(path)
    paths = [layers.AveragePooling2D(1, strides=2)(item) for item in (p, path)]
    p = layers.BatchNormalization()(layers.concatenate([layers.Conv2D(2, 1, use_bias=False)(item) for item in paths]))

    def separable(x: Any, size: int, strides: int) -> Any:
        x = layers.Activation("relu")(x)
        pad = "same"
        if strides == 2:
            x, pad = layers.ZeroPadding2D(((0, 1), (0, 1)))(x), "valid"
        x = layers.SeparableConv2D(4, size, strides=strides, padding=pad, use_bias=False)(x)
        return layers.BatchNormalization()(x)

    first = layers.add([separable(x, 3, 2), p])
    pooled = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    second = layers.add([pooled, separable(first, 3, 1)])
    third = layers.add([layers.AveragePooling2D(3, strides=1, padding="same")(first), p])
    return layers.concatenate([second, third])


BLOCKS: Mapping[str, Callable[[Any, Any], Any]] = {
    "inverted residual": inverted_residual,
    "squeeze and excite": squeeze_excite,
    "dense block": dense_block,
    "inception block": inception_block,
    "convnext block": convnext_block,
    "nasnet cell": nasnet_cell,
}


def build(keras: Any, name: str) -> Any:
    """The block between an image and a classifier."""
    inputs = keras.Input(SHAPE)
    x = keras.layers.GlobalAveragePooling2D()(BLOCKS[name](keras, inputs))
    return keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(x))
