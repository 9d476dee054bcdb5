"""Layers kept in another format, as a command line says it: ``PATTERN=FORMAT``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from boundnet.arithmetic.presets import build
from boundnet.errors import FormatError, PlanError
from boundnet.plans.files import merged
from boundnet.plans.plan import Override, Plan


def keep(plan: Plan, texts: Sequence[str], options: Mapping[str, str] | None = None) -> Plan:
    """``plan`` with the layers of each ``PATTERN=FORMAT`` kept in that format.

    Args:
        texts: pattern of layers' names, and a preset or a format; later ones win.
        options: those of the command's own arithmetic (:func:`boundnet.build`): what they say of orders and forms stays.

    Raises:
        PlanError: a text is not of that form; it is quoted.
    """
    found = []
    for text in texts:
        match, equals, name = text.rpartition("=")
        if not equals or not match.strip() or not name.strip():
            raise PlanError(f"--keep {text}: give PATTERN=FORMAT, such as 'dense*=binary32'")
        try:
            values = merged(options or {}, {"arithmetic": name.strip()})
            arithmetic = build(**{"name" if key == "arithmetic" else key: value for key, value in values.items()})
        except FormatError as error:
            raise PlanError(f"--keep {text}: {error}") from None
        found.append(Override(match.strip(), arithmetic))
    return replace(plan, overrides=(*plan.overrides, *found)) if found else plan
