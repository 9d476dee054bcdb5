"""Plans as TOML and JSON.

A file has a table ``default`` and an array ``layer``.  Every entry holds options of :func:`boundnet.build` by their names;
a layer's options change those of ``default``, unless it names an arithmetic or a storage format of its own: then formats
start from there.  ::

    [default]
    arithmetic = "bfloat16"

    [[layer]]
    match = "dense*"            # a layer's name or a pattern; or: class = "BatchNormalization"
    arithmetic = "binary32"
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import tomli_w

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.presets import build
from boundnet.errors import FormatError, OutputError, PlanError
from boundnet.plans.plan import By, Override, Plan
from boundnet.results.files import replacing

OPTIONS = tuple("arithmetic" if name == "name" else name for name in signature(build).parameters)
"""What an entry may say about its arithmetic."""
_FORMATS = ("arithmetic", "storage", "accumulate")
_KEYS = {"match": "layer", "class": "class"}


def read_plan(path: str | Path) -> Plan:
    """The plan in a .toml or .json file.

    Raises:
        PlanError: there is no such file, it is neither, or an entry makes no sense; the message names file and entry.
    """
    path = Path(path)
    if path.suffix.lower() not in (".toml", ".json"):
        raise PlanError(f"{path}: a plan is a .toml or a .json file")
    if not path.is_file():
        raise PlanError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise PlanError(f"{path}: can't be read ({error.strerror or error})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise PlanError(f"{path}: not a valid {path.suffix[1:].upper()} file ({error})") from error
    return plan_of(data, str(path))


def plan_of(data: object, source: str = "plan") -> Plan:
    """The plan that plain values describe.  Raises PlanError; ``source`` is named in messages."""
    if not isinstance(data, Mapping):
        raise PlanError(f"{source}: a plan is a table with 'default' and 'layer'")
    unknown = [key for key in data if key not in ("default", "layer")]
    if unknown:
        raise PlanError(f"{source}: unknown key {unknown[0]!r}; a plan has 'default' and 'layer'")
    default = _options(data.get("default", {}), f"{source}: default", ())
    entries = data.get("layer", [])
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise PlanError(f"{source}: 'layer' must be a list of tables, written [[layer]] in TOML")
    overrides = []
    for number, entry in enumerate(entries, start=1):
        where = f"{source}: layer entry {number}"
        options = _options(entry, where, tuple(_KEYS))
        keys = [key for key in _KEYS if key in entry]
        if len(keys) != 1:
            raise PlanError(f"{where}: give 'match' (a layer's name or pattern) or 'class', one of them")
        match = entry[keys[0]]
        if not isinstance(match, str) or not match:
            raise PlanError(f"{where}: {keys[0]} must be a name or a pattern, not {match!r}")
        if not options:
            raise PlanError(f"{where}: it changes nothing; give an arithmetic, or one of {', '.join(OPTIONS)}")
        overrides.append(Override(match, _built(merged(default, options), where), _by(keys[0])))
    return Plan(_built(default, f"{source}: default"), tuple(overrides), source)


def merged(default: Mapping[str, str], options: Mapping[str, str]) -> dict[str, str]:
    """``default`` changed by ``options``: formats of their own drop the default's, all else stays where not given."""
    own = any(key in options for key in _FORMATS[:2])
    return {key: value for key, value in default.items() if not (own and key in _FORMATS)} | dict(options)


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as the plain values that :func:`plan_of` reads, every field written out.

    Raises:
        PlanError: an arithmetic has parts that options can't describe, such as function accuracies of its own.
    """
    names = {by: key for key, by in _KEYS.items()}
    layers = [{names[o.by]: o.match, **_described(o.arithmetic, str(o))} for o in plan.overrides]
    return {"default": _described(plan.default, "default")} | ({"layer": layers} if layers else {})


def write_plan(plan: Plan, path: str | Path) -> None:
    """Write ``plan`` as TOML or JSON, by the suffix of ``path``; the file is whole or not there.

    Raises:
        PlanError: see :func:`plan_data`.
        OutputError: it can't be written.
    """
    path = Path(path)
    data = plan_data(plan)
    if path.suffix.lower() not in (".toml", ".json"):
        raise OutputError(f"{path}: a plan is written as .toml or .json")
    text = tomli_w.dumps(data) if path.suffix.lower() == ".toml" else json.dumps(data, indent=2) + "\n"
    with replacing(path) as stream:
        stream.write(text)


def _options(entry: object, where: str, besides: tuple[str, ...]) -> dict[str, str]:
    """The options of one entry, all text."""
    if not isinstance(entry, Mapping):
        raise PlanError(f"{where}: a table is needed, not {entry!r}")
    unknown = [key for key in entry if key not in (*OPTIONS, *besides)]
    if unknown:
        raise PlanError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join((*besides, *OPTIONS))}")
    options = {key: value for key, value in entry.items() if key in OPTIONS}
    wrong = next((key for key, value in options.items() if not isinstance(value, str)), None)
    if wrong is not None:
        raise PlanError(f"{where}: {wrong} must be text in quotes, not {options[wrong]!r}")
    return options


def _built(options: Mapping[str, str], where: str) -> Arithmetic:
    values = {"name" if key == "arithmetic" else key: value for key, value in options.items()}
    try:
        return build(**values)
    except FormatError as error:
        raise PlanError(f"{where}: {error}") from None


def _by(key: str) -> By:
    return "layer" if key == "match" else "class"


def _described(rules: Arithmetic, where: str) -> dict[str, str]:
    """Options that build ``rules``: the shortest that do, a preset's name alone where that is enough."""
    fields = [name for name in OPTIONS if name != "arithmetic"]
    full = {name: str(getattr(getattr(rules, name), "name", getattr(rules, name))) for name in fields}
    for options in ({"arithmetic": rules.name}, full):
        try:
            found = build(**{"name" if key == "arithmetic" else key: value for key, value in options.items()})
        except FormatError:
            continue
        if {**found.describe(), "name": ""} == {**rules.describe(), "name": ""}:
            return options
    raise PlanError(f"the plan's {where}: arithmetic {rules.name!r} has parts that options can't describe")
