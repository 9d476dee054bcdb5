"""Keras 1 to Keras 2: names of classes and arguments, and the layout of stored kernels.

The tables follow keras/legacy/interfaces.py and preprocess_weights_for_loading of Keras 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASSES: Mapping[str, str] = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "AtrousConv1D": "Conv1D",
    "AtrousConv2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconv2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "SpatialDropout": "SpatialDropout2D",
}

MERGES: Mapping[str, str] = {
    "sum": "Add",
    "mul": "Multiply",
    "concat": "Concatenate",
    "ave": "Average",
    "max": "Maximum",
    "dot": "Dot",
    "cos": "Dot",
}

_ARGUMENTS: Mapping[str, str] = {
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "subsample": "strides",
    "subsample_length": "strides",
    "border_mode": "padding",
    "bias": "use_bias",
    "atrous_rate": "dilation_rate",
    "output_dim": "units",
    "pool_length": "pool_size",
    "stride": "strides",
    "p": "rate",
    "sigma": "stddev",
    "length": "size",
}


def modernise(kind: str, config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Keras 2's class name and arguments for a layer of a Keras 1 file."""
    new = {_ARGUMENTS.get(key, key): value for key, value in config.items()}
    name = CLASSES.get(kind, kind)
    if name == "Merge":
        name, new = _merge(new)
    if name == "Embedding" and "units" in new:
        new["output_dim"] = new.pop("units")
    if "nb_row" in config and "nb_col" in config:
        new["kernel_size"] = [config["nb_row"], config["nb_col"]]
        if "kernel_dim1" in config:
            new["kernel_size"] = [config[f"kernel_dim{axis}"] for axis in (1, 2, 3)]
    elif "kernel_dim1" in config:
        new["kernel_size"] = [config[f"kernel_dim{axis}"] for axis in (1, 2, 3)]
    ordering = config.get("dim_ordering")
    if ordering in ("tf", "th"):
        new["data_format"] = "channels_last" if ordering == "tf" else "channels_first"
    if name.startswith("ZeroPadding"):
        new["padding"] = _padding(config.get("padding"))
    return name, new


def _merge(config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    mode = config.get("mode")
    if config.get("mode_type") == "lambda" or not isinstance(mode, str) or mode not in MERGES:
        return "Merge", config
    new: dict[str, Any] = {"name": config.get("name")}
    if mode == "concat":
        new["axis"] = config.get("concat_axis", -1)
    elif mode in ("dot", "cos"):
        new["axes"] = config.get("dot_axes", -1)
        new["normalize"] = mode == "cos"
    return MERGES[mode], new


def _padding(padding: Any) -> Any:
    """Keras 1 also took a dictionary or (top, bottom, left, right)."""
    if isinstance(padding, Mapping):
        sides = ("top_pad", "bottom_pad", "left_pad", "right_pad")
        if "left_pad" in padding and "top_pad" not in padding:
            return [padding.get("left_pad", 0), padding.get("right_pad", 0)]
        top, bottom, left, right = (padding.get(side, 0) for side in sides)
        return [[top, bottom], [left, right]]
    if isinstance(padding, (list, tuple)) and len(padding) == 4:
        return [[padding[0], padding[1]], [padding[2], padding[3]]]
    return padding


Kernel = NDArray[np.generic]


def kernel_layout(kind: str, major: int, backend: str, channels_first: bool) -> Callable[[Kernel], Kernel] | None:
    """What turns a stored convolution kernel into Keras 2's layout (*spatial, in, out); None where nothing is to do.

    Keras 1 stores (out, in, *spatial) with channels first and (length, 1, in, out) for Conv1D; Theano computes true
    convolutions, so its kernels are flipped in space.
    """
    steps: list[Callable[[Kernel], Kernel]] = []
    rank = next((rank for rank in (1, 2, 3) if kind.endswith(f"Conv{rank}D") or f"Conv{rank}DT" in kind), 0)
    if rank == 0 or kind.startswith(("Depthwise", "Separable")):
        return None
    if major == 1:
        if rank == 1:
            steps.append(_keras1_conv1d)
        elif kind == "Conv2DTranspose" and not channels_first:
            steps.append(lambda kernel: np.transpose(kernel, (0, 1, 3, 2)))
        elif kind == "Conv2DTranspose":
            steps.append(lambda kernel: np.transpose(kernel, (2, 3, 0, 1)))
        elif channels_first:
            order = (*range(2, rank + 2), 1, 0)
            steps.append(lambda kernel: np.transpose(kernel, order))
    if backend == "theano":
        steps.append(lambda kernel: np.flip(kernel, axis=tuple(range(rank))))
    if not steps:
        return None

    def convert(kernel: Kernel) -> Kernel:
        for step in steps:
            kernel = step(kernel) if kernel.ndim >= rank + 2 else kernel
        return kernel

    return convert


def _keras1_conv1d(kernel: Kernel) -> Kernel:
    if kernel.ndim != 4:
        return kernel
    if kernel.shape[1] != 1:  # (out, in, length, 1) of early versions
        kernel = np.transpose(kernel, (2, 3, 1, 0))
    return kernel[:, 0]
