"""``boundnet emit-c``: the network as a folder of C99."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from boundnet.cli.open_model import load
from boundnet.cli.request import parse_shapes
from boundnet.mca.emit.network import emit
from boundnet.mca.emit.write import check_folder, write
from boundnet.results.text import printable


def run(model: Path, folder: Path, real: Literal["float", "double"], input_shapes: Sequence[str]) -> None:
    """Write ``model`` as C in type ``real`` to a new ``folder`` and say how to use it.

    Raises:
        BoundNetError: the model can't be read, has an op without C, or the folder can't be made; nothing is written then.
    """
    check_folder(folder)
    shapes = parse_shapes(input_shapes)
    emitted = emit(load(str(model), shapes), real)
    write(emitted, folder)
    counts = emitted.total_operations
    total = ", ".join(f"{counts[name]:,} {name}" for name in ("add", "sub", "mul", "div") if counts[name])
    samples = " ".join(f"INPUT{i + 1}.npy" for i in range(len(emitted.inputs))) if len(emitted.inputs) > 1 else "INPUT.npy"
    print(printable(f"{folder}: {len(emitted.files)} files, {len(emitted.operations)} functions, type {real}"))
    print(f"operations of one sample: {total or 'none'}")
    print(printable(f"next: cd {folder} && make && ./network {samples}"))
