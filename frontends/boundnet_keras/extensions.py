"""Rules for layers that Keras does not have: registered by a call, or found through entry points.

An entry point of the group ``boundnet.keras_layers`` is a mapping from a layer's registered name to its :class:`Rule`; all
are loaded when a model first holds a layer that is not Keras's own.  No code of a model file is involved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import overload

from boundnet.errors import ExtensionError
from boundnet_keras.lowering import Lower, Rule
from boundnet_keras.model import Config, LayerSpec

GROUP = "boundnet.keras_layers"

_called: dict[str, Rule] = {}
_installed: dict[str, Rule] | None = None


@overload
def register(
    name: str, lower: Lower, *, refuse: Callable[[Config, int], str] | None = None,
    weighted: bool | Callable[[Config], bool] = True, merges: bool = False, parts: Sequence[str] = ("",),
) -> Lower: ...  # fmt: skip


@overload
def register(
    name: str, lower: None = None, *, refuse: Callable[[Config, int], str] | None = None,
    weighted: bool | Callable[[Config], bool] = True, merges: bool = False, parts: Sequence[str] = ("",),
) -> Callable[[Lower], Lower]: ...  # fmt: skip


def register(
    name: str, lower: Lower | None = None, *, refuse: Callable[[Config, int], str] | None = None,
    weighted: bool | Callable[[Config], bool] = True, merges: bool = False, parts: Sequence[str] = ("",),
) -> Lower | Callable[[Lower], Lower]:  # fmt: skip
    """Say what a custom layer computes, from now on, in this process; a later call for the same name replaces it.

    Args:
        name: as Keras registers the class, ``package>Class``; ``Class`` alone serves every package (and module).
        lower: ``lower(layer, inputs)`` adds the nodes of one call with ``layer.add(op, *nodes)`` and returns the node of the
            result, or a list of several (:class:`boundnet_keras.Lowering`).  It may raise :class:`boundnet_keras.Refused`.
            Left out, ``register`` is a decorator.
        refuse: ``refuse(config, major)``: why a configuration is not supported, '' if it is; asked before anything is
            lowered.
        weighted: whether the layer stores weights, or a function of the configuration.
        merges: whether it takes several tensors.
        parts: where a .keras archive keeps its weights: names of the attributes that hold layers of its own, in the order
            of ``layer.get_weights()``; '' for the layer itself.

    Returns:
        ``lower``.

    Raises:
        ExtensionError: an argument is of the wrong kind; the message names the rule.
    """
    if lower is None:
        return lambda function: register(
            name, function, refuse=refuse, weighted=weighted, merges=merges, parts=parts
        )  # fmt: skip
    always = weighted if callable(weighted) else lambda config: bool(weighted)
    rule = Rule(lower, refuse or (lambda config, major: ""), always, merges, parts)
    _called[name] = _checked(name, rule, "boundnet_keras.register")
    return lower


def unregister(name: str) -> None:
    """Forget what :func:`register` was told about ``name``; nothing happens if it was told nothing."""
    _called.pop(name, None)


def extension(layer: LayerSpec) -> Rule | None:
    """The rule for a layer that Keras does not have: for its package and class, or else for its class.

    Raises:
        ExtensionError: an entry point can't be loaded or holds no rules.
    """
    for name in (f"{layer.custom}>{layer.kind}", layer.kind):
        found = _called.get(name) or _from_entry_points().get(name)
        if found is not None:
            return found
    return None


def title(layer: LayerSpec, rule: Rule) -> str:
    """The rule, for people: its name, and where its code is."""
    code = getattr(rule.lower, "__code__", None)
    where = f", {code.co_filename}:{code.co_firstlineno}" if code is not None else ""
    what = f"{layer.custom}>{layer.kind}" if layer.custom else layer.kind
    return f"the rule for {what} ({getattr(rule.lower, '__qualname__', repr(rule.lower))}{where})"


def _from_entry_points() -> Mapping[str, Rule]:
    global _installed  # noqa: PLW0603 - read once
    if _installed is None:
        found: dict[str, Rule] = {}
        for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
            where = f"entry point {point.name} = {point.value} ({GROUP})"
            try:
                rules = point.load()
            except Exception as error:
                raise ExtensionError(f"{where}: can't be loaded ({type(error).__name__}: {error})") from error
            if not isinstance(rules, Mapping):
                raise ExtensionError(f"{where}: a mapping from layer names to boundnet_keras.Rule is needed, not {rules!r}")
            for name, rule in rules.items():
                if name in found:
                    raise ExtensionError(f"{where}: another entry point has a rule for {name}, too; uninstall one of them")
                found[name] = _checked(name, rule, where)
        _installed = found
    return _installed


def _checked(name: object, rule: object, where: str) -> Rule:
    if not isinstance(name, str) or not name.strip():
        raise ExtensionError(f"{where}: {name!r} is no name of a layer; give 'package>Class' or 'Class'")
    if not isinstance(rule, Rule):
        raise ExtensionError(f"{where}: the rule for {name} is {rule!r}; make it with boundnet_keras.Rule")
    for what in ("lower", "refuse", "weighted"):
        if not callable(getattr(rule, what)):
            raise ExtensionError(f"{where}: the rule for {name}: {what} can't be called; a function is needed")
    if isinstance(rule.parts, str) or not all(isinstance(part, str) for part in rule.parts or ()):
        raise ExtensionError(f"{where}: the rule for {name}: parts must be a sequence of strings, not {rule.parts!r}")
    return rule
