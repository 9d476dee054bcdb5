"""Walk a canonical model and lower it call by call into a layer graph."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boundnet import ops
from boundnet.errors import ExtensionError, GraphError, ModelFileError, OpenShapeError
from boundnet.frontends import Refusals, Refused, SharedOps
from boundnet.graph import LayerGraph
from boundnet_keras.extensions import title
from boundnet_keras.layers import TABLE, refusal, rule_of
from boundnet_keras.layers.identity import IDENTITY_KINDS
from boundnet_keras.layers.masks import given, hand_on
from boundnet_keras.lowering import Lowering, Rule
from boundnet_keras.model import OPERATION, Call, LayerSpec, ModelSpec, Ref
from boundnet_keras.source import Source
from boundnet_keras.values import MAX_DEPTH, policy_name
from boundnet_keras.weights import Path, WeightStore

# Tensors of one run through a model: None where a layer before it was refused.
Tensors = dict[Ref, str | None]

MAX_OUTPUTS = 16  # of one layer: sequences and states of recurrent ones
MAX_CALLS = 100_000  # shared models in shared models could otherwise unfold without end


def build(model: ModelSpec, source: Source, input_shapes: Mapping[str, Sequence[int]] | None = None) -> LayerGraph:
    """The graph of a model.

    ``input_shapes`` fixes shapes, without the batch axis, of inputs that leave some open.

    Raises:
        UnsupportedLayerError: lists every layer that can't be lowered.
        ModelFileError: the file is inconsistent.
    """
    refused = Refusals(source.label)
    for path, layer in model.walk():
        if reason := _refused_call(layer) or ("" if layer.model else refusal(layer, source.major)):
            refused.add("/".join(path), layer.kind, reason)
    refused.check()
    graph = LayerGraph(model.name)
    walk = _Walk(graph, source, source.store(model), dict(input_shapes or {}), refused)
    layers = [_layer(model, ref.layer, source.label) for ref in model.inputs]
    walk.check_shapes(layers)
    inputs = [walk.add_input(layer) for layer in layers]
    outputs = walk.run(model, inputs, (), "")
    refused.check()
    try:
        graph.set_outputs([name for name in outputs if name is not None], list(model.labels))
    except GraphError as error:
        raise ModelFileError(f"{source.label}: {error}; save the model again") from error
    graph.metadata.update(source.metadata)
    graph.metadata["keras_version"] = source.keras_version
    graph.metadata["backend"] = source.backend
    graph.policies.update(_policies(model))
    graph.metadata["dtype_policy"] = ", ".join(sorted(set(graph.policies.values())))
    return graph


def _refused_call(layer: LayerSpec) -> str:
    """Calls in training mode compute something else: results that depend on chance or on the batch."""
    operation = layer.kind.startswith(OPERATION)
    for call in layer.calls:
        constants = [] if operation else [item for item in call.arguments if not isinstance(item, Ref) and item]
        if call.options.get("training") or constants:
            what = "training=True" if call.options.get("training") else f"the argument {constants[0]!r}"
            return f"is called with {what}, which isn't inference; build the model without it"
        mask = call.options.get("mask")
        masked = any(item is not None for item in (mask if isinstance(mask, list) else [mask]))
        if masked and layer.kind not in IDENTITY_KINDS:
            return "is called with a mask; remove it"
    return ""


def _policies(model: ModelSpec) -> dict[str, str]:
    """The dtype policy of each layer that has one, by its path; inputs have a dtype only."""
    named = (("/".join(path), layer) for path, layer in model.leaves())
    policies = {name: _policy(layer.config) for name, layer in named if layer.kind != "InputLayer"}
    return {name: policy for name, policy in policies.items() if policy}


def _policy(config: Mapping[str, Any], depth: int = 0) -> str:
    """The policy of what computes: a wrapper's is that of the layers or cells inside, joined by "+" where they differ."""
    inside = [config.get(key) for key in ("layer", "forward_layer", "backward_layer", "cell", "cells")]
    entries = [entry for item in inside for entry in (item if isinstance(item, list) else [item])]
    configs = [entry.get("config") for entry in entries if isinstance(entry, Mapping)]
    found = {_policy(inner, depth + 1) for inner in configs if isinstance(inner, Mapping) and depth < MAX_DEPTH} - {""}
    return "+".join(sorted(found)) if found else policy_name(config.get("dtype"))


def _layer(model: ModelSpec, name: str, label: str) -> LayerSpec:
    for layer in model.layers:
        if layer.name == name:
            return layer
    raise ModelFileError(f"{label}: model {model.name!r} refers to a layer {name!r} that it doesn't have")


@dataclass
class _Walk:
    graph: LayerGraph
    source: Source
    store: WeightStore
    input_shapes: Mapping[str, Sequence[int]]
    refused: Refusals
    used: SharedOps = field(default_factory=SharedOps)
    masks: dict[str, str] = field(default_factory=dict)
    sequences: dict[str, list[str]] = field(default_factory=dict)
    calls: int = 0

    def shape_of(self, layer: LayerSpec) -> tuple[int | None, ...]:
        """Shape of an input layer without the batch axis, None where the model leaves a size open."""
        given = self.input_shapes.get(layer.name)
        batch_shape = layer.config.get("batch_shape") if given is None else (None, *given)
        if not isinstance(batch_shape, list | tuple) or not batch_shape:
            raise ModelFileError(
                f"{self.source.label}: input {layer.name!r} has no shape; call the model on data and save it again"
            )
        return tuple(size if isinstance(size, int) and size > 0 else None for size in batch_shape[1:])

    def check_shapes(self, layers: Sequence[LayerSpec]) -> None:
        """Raises OpenShapeError unless all sizes of all inputs are known."""
        shapes = {layer.name: self.shape_of(layer) for layer in layers}
        name = next((name for name, shape in shapes.items() if None in shape), None)
        if name is not None:
            raise OpenShapeError(
                f"{self.source.label}: input {name!r} has the shape {shapes[name]}, with sizes left open; error bounds need"
                " fixed sizes: give inputs of the sizes wanted, or --input-shape, or save the model with a fixed shape",
                shapes,
            )

    def add_input(self, layer: LayerSpec) -> str:
        """The graph node of an input layer of the outermost model."""
        shape = tuple(size for size in self.shape_of(layer) if size is not None)  # all are known: check_shapes
        name = self.graph.unique(layer.name)
        return str(self.graph.add(name, ops.Input(shape), inputs=(), layer=layer.name, kind="InputLayer"))

    def run(self, model: ModelSpec, inputs: Sequence[str | None], path: Path, prefix: str) -> list[str | None]:
        """Lower one call of ``model``.  ``prefix``: what node names of this call begin with."""
        if len(inputs) != len(model.inputs):
            raise ModelFileError(
                f"{self.source.label}: model {model.name!r} has {len(model.inputs)} inputs but is called with {len(inputs)}"
            )
        tensors: Tensors = dict(zip(model.inputs, inputs, strict=True))
        for layer, number in _in_order(model, self.source.label):
            self.calls += 1
            if self.calls > MAX_CALLS:
                raise ModelFileError(f"{self.source.label}: more than {MAX_CALLS} calls of layers; too large to analyse")
            call = layer.calls[number]
            here = (*path, layer.name)
            node = prefix + layer.name + (f"@{number}" if number else "")
            absent = next((ref for ref in call.inputs if ref not in tensors), None)
            if absent is not None:
                raise ModelFileError(f"{self.source.label}: layer {layer.name!r} takes output {absent.tensor} of call"
                                     f" {absent.call} of {absent.layer!r}, which doesn't exist")  # fmt: skip
            taken = [tensors[ref] for ref in call.inputs]
            if layer.model is not None:
                results = self.run(layer.model, taken, here, f"{node}/")
            else:
                results = self._lower(layer, call, taken, here, node)
            tensors.update({Ref(layer.name, number, index): result for index, result in enumerate(results)})
        missing = next((ref for ref in model.outputs if ref not in tensors), None)
        if missing is not None:
            where = f"output {missing.layer!r} of model {model.name!r}"
            raise ModelFileError(f"{self.source.label}: {where} isn't computed; save the model again")
        return [tensors[ref] for ref in model.outputs]

    def _lower(self, layer: LayerSpec, call: Call, inputs: Sequence[str | None], path: Path, node: str) -> list[str | None]:
        known = [name for name in inputs if name is not None]
        if len(known) < len(inputs):
            return [None] * MAX_OUTPUTS
        masks = [known[place] for place in call.named("mask")]
        known = [name for place, name in enumerate(known) if place not in call.named("mask")]
        call = call.without("mask")
        rule, name = rule_of(layer), "/".join(path)
        assert rule is not None  # refused before
        own = TABLE.get(layer.kind) is rule
        if masks and not own:
            self.refused.add(name, layer.kind, "is called with a mask; remove it")
            return [None] * MAX_OUTPUTS
        if not known or (len(known) > 1 and not rule.merges):
            which = f"layer {name!r} ({layer.kind})"
            raise ModelFileError(f"{self.source.label}: {which} is called with {len(known)} inputs")
        source = self.source
        try:
            # What a call is given holds for this call; what its inputs carry is the same in functional models of Keras 3.
            seen = ChainMap({}, given(layer, source.major, known, masks) if own else {}, self.masks)
            lowering = Lowering(
                self.graph, node, name, layer.kind, self.used, layer, call, path, source.major, source.backend, self.store,
                seen, self.sequences,
            )  # fmt: skip
            result = rule.lower(lowering, known) if own else self._extended(rule, lowering, known)
            results: list[str | None] = [result] if isinstance(result, str) else list(result)
            if own:
                hand_on(lowering, known, results[0])
            self.masks.update(seen.maps[0])
            return results
        except Refused as refused:
            self.refused.add(name, layer.kind, str(refused))
        except ModelFileError as error:
            raise ModelFileError(f"{source.label}: {error}") from error
        except MemoryError as error:
            raise ModelFileError(f"{source.label}: layer {name!r} ({layer.kind}) needs more memory than there is") from error
        except (GraphError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{source.label}: the configuration of layer {name!r} ({layer.kind}) makes no sense ({error});"
                " save the model again with the Keras version that made it"
            ) from error
        return [None] * MAX_OUTPUTS

    def _extended(self, rule: Rule, lowering: Lowering, inputs: Sequence[str]) -> str | list[str]:
        """The result of an extension's rule; whatever is wrong with it is told with its name and the layer's."""
        where = f"{self.source.label}: {title(lowering.layer, rule)} failed on layer {'/'.join(lowering.path)!r}"
        if any(node in self.masks for node in inputs):
            raise Refused("takes a tensor that carries a mask, which the rules of extensions don't know; remove the mask")
        try:
            result = rule.lower(lowering, inputs)
        except (Refused, ModelFileError, MemoryError, ExtensionError):
            raise
        except Exception as error:
            raise ExtensionError(f"{where}: {type(error).__name__}: {error}") from error
        nodes = [result] if isinstance(result, str) else result
        if not isinstance(nodes, list) or not nodes or not all(isinstance(node, str) for node in nodes):
            raise ExtensionError(f"{where}: it must return the name of a node, or a list of names, not {result!r}")
        unknown = [node for node in nodes if node not in self.graph.digraph]
        if unknown:
            raise ExtensionError(f"{where}: it returns {unknown[0]!r}, which is no node; return what layer.add returns")
        return result


def _in_order(model: ModelSpec, label: str) -> Iterator[tuple[LayerSpec, int]]:
    """All calls of all layers, each after the calls it takes its inputs from.  Raises ModelFileError on a cycle."""
    inputs = {ref.layer for ref in model.inputs}
    outputs_of = {layer.name: len(layer.model.outputs) for layer in model.layers if layer.model is not None}
    calls = {
        (layer.name, number): layer
        for layer in model.layers
        if layer.name not in inputs
        for number in range(len(layer.calls))
    }
    waiting: dict[tuple[str, int], int] = {}
    users: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for (name, number), layer in calls.items():
        sources = set()
        for ref in layer.calls[number].inputs:
            if ref in model.inputs:
                continue
            if (ref.layer, ref.call) not in calls or not 0 <= ref.tensor < outputs_of.get(ref.layer, MAX_OUTPUTS):
                raise ModelFileError(f"{label}: layer {name!r} takes output {ref.tensor} of call {ref.call} of"
                                     f" {ref.layer!r}, which doesn't exist")  # fmt: skip
            sources.add((ref.layer, ref.call))
        waiting[name, number] = len(sources)
        for source in sources:
            users.setdefault(source, []).append((name, number))
    ready = [key for key, count in waiting.items() if count == 0]
    done = 0
    while ready:
        key = ready.pop(0)
        done += 1
        yield calls[key], key[1]
        for user in users.get(key, ()):
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    if done < len(calls):
        stuck = next(name for (name, _), count in waiting.items() if count)
        raise ModelFileError(f"{label}: the calls of layer {stuck!r} depend on their own results; save the model again")
