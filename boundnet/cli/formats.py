"""``boundnet formats``: what can be asked for with --format, --arithmetic and their like."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from boundnet.arithmetic.formats import FORMATS, Format
from boundnet.arithmetic.presets import PRESETS
from boundnet.cli.session import width
from boundnet.numerics.accuracy import FUNCTIONS, TABLES
from boundnet.results.text import value_text

_OVERFLOW = {"inf": "infinity", "nan": "NaN", "saturate": "largest value"}
_SPELLING = (
    "float(p,e)   p significant bits, the hidden one included, and e exponent bits, as in IEEE 754: float(8,8) is bfloat16",
    "fixed(i,f)   signed fixed point: multiples of 2^-f below 2^i, saturating; needs a fixed --accumulate too",
)


def run() -> None:
    """Print the tables."""
    console = Console(width=width(), highlight=False)
    headings = ("format", "u", "smallest subnormal", "smallest normal", "largest", "overflow")
    _show(console, "Formats (--format, --accumulate)", headings, (_format(item) for item in FORMATS.values()))
    for line in _SPELLING:
        console.print(Text(f"  {line}"), soft_wrap=True)
    console.print()
    presets = (
        (name, a.storage.name, a.accumulate.name, str(a.order), a.fma, a.subnormals, a.functions.name, text)
        for name, (a, text) in PRESETS.items()
    )
    columns = ("preset", "storage", "accumulate", "order", "fma", "subnormals", "functions", "what it describes")
    _show(console, "Presets (--arithmetic); every other option changes one field", columns, presets)
    rows = ((function, *(f"{table.of(function):g}" for table in TABLES.values())) for function in FUNCTIONS)
    _show(console, "Accuracy of elementary functions, in ulp", ("function", *TABLES), rows)
    for table in TABLES.values():
        console.print(Text(f"  {table.name}: {table.source}"), soft_wrap=True)


def _format(item: Format) -> tuple[str, ...]:
    return (item.name, _power(item.unit_roundoff), _power(item.smallest_subnormal), _power(item.smallest_normal),
            value_text(item.largest, item.largest * 1e-5), _OVERFLOW[item.overflow])  # fmt: skip


def _power(value: float) -> str:
    """A power of two as such, and in decimal: 2^-24 = 5.96e-08."""
    return f"2^{round(math.log2(value))} = {value:.3g}"


def _show(console: Console, title: str, headings: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    console.print(Text(title, style="bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
