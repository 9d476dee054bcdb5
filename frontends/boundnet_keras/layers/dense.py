"""Dense."""

from __future__ import annotations

from collections.abc import Sequence

from boundnet import ops
from boundnet_keras.activations import apply_activation, refuse_activation
from boundnet_keras.lowering import Lowering, Rule
from boundnet_keras.model import Config
from boundnet_keras.values import policy_name, positive


def refuse_quantized(config: Config) -> str:
    """int8, int4 and float8 layers compute something else than their float weights say."""
    policy = policy_name(config.get("dtype"))
    if policy.startswith(("int8", "int4", "float8", "gptq", "awq")) or "Quantized" in policy:
        return f"quantized ({policy}); analyse the model before quantization"
    if config.get("lora_rank"):
        return "has LoRA weights; merge them into the kernel and save again"
    return ""


def _refuse(config: Config, major: int) -> str:
    return refuse_quantized(config) or refuse_activation(config.get("activation"), major)


def _dense(layer: Lowering, inputs: Sequence[str]) -> str:
    (x,) = inputs
    units = positive(layer.get("units"), 1)[0]
    shapes: dict[str, tuple[int, ...]] = {"kernel": (layer.shape(x)[-1], units)}
    if layer.get("use_bias", True):
        shapes["bias"] = (units,)
    weights = layer.weights(shapes)
    return apply_activation(layer, layer.add(ops.Dense(weights["kernel"], weights.get("bias")), x))


RULES = {"Dense": Rule(_dense, _refuse, weighted=lambda config: True)}
