"""The reference of the command line, from the declarations of its options."""

from __future__ import annotations

import re
from typing import Any

import typer

from boundnet.cli.app import app

_CHOICES = re.compile(r"[<\[{]([^<>{}\[\]]*\|[^<>{}\[\]]*)[>\]}]")
_REQUIRED = re.compile(r"\s*\[required\]$")


def commands() -> dict[str, Any]:
    """Name -> command, in the order of ``boundnet --help``."""
    found: dict[str, Any] = typer.main.get_command(app).commands
    return found


def reference() -> str:
    """Markdown: a section for each command, a row for each option."""
    return "\n".join(_section(name, command) for name, command in commands().items())


def _section(name: str, command: Any) -> str:
    context = typer.Context(command, info_name=name)
    rows = [_row(parameter, context) for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = " ".join(p.metavar or p.name.upper() for p in command.params if p.param_type_name == "argument")
    table = ["| Option | Meaning |", "| --- | --- |", *rows] if rows else []
    usage = f"boundnet {name} {arguments}{' [OPTIONS]' if len(rows) > len(arguments.split()) else ''}".rstrip()
    return "\n".join([f"## {name}", "", "```text", usage, "```", "", command.help, "", *table, ""])


def _row(parameter: Any, context: typer.Context) -> str:
    shown, text = parameter.get_help_record(context) or (parameter.name, "")
    if parameter.param_type_name == "argument":
        shown = parameter.metavar or parameter.name.upper()
    shown = _CHOICES.sub(r"\1", shown)
    cells = (f"`{_plain(shown)}`", _plain(_REQUIRED.sub("", text)))
    return f"| {cells[0]} | {cells[1]} |"


def _plain(text: str) -> str:
    """Within a cell of a table."""
    return re.sub(r"\s+", " ", text).replace("|", r"\|")
