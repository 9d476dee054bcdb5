"""Writing SVG: elements whose text and attributes are escaped."""

from __future__ import annotations

from markupsafe import Markup, escape

Attribute = str | float | None


def element(name: str, *children: str | Markup, **attributes: Attribute) -> Markup:
    """``<name ...>children</name>``; text that is no Markup is escaped.

    ``class_`` stands for class and ``_`` for ``-``; None leaves an attribute out; numbers lose needless digits.
    """
    found = (f' {_name(key)}="{escape(_value(value))}"' for key, value in attributes.items() if value is not None)
    opening = Markup(f"<{name}{''.join(found)}")
    if not children:
        return opening + Markup("/>")
    return opening + Markup(">") + join(children) + Markup(f"</{name}>")


def join(parts: object) -> Markup:
    """All ``parts``, text escaped."""
    return Markup("").join(parts)  # type: ignore[arg-type]


def percent(fraction: float) -> str:
    """A coordinate that follows the drawing's width."""
    return f"{100.0 * fraction:.2f}".rstrip("0").rstrip(".") + "%"


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.1f}".removesuffix(".0")
