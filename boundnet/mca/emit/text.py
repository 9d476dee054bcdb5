"""The text of the emitted files around the functions of the ops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from boundnet.mca.emit.code import FUNCTIONS, Piece, Real, Shape, size_of

STATIC = ("functions.c", "weights.c", "library.c", "npy.h", "npy.c", "main.c", "Makefile")
"""Files that are the same for every network."""
_PROTOTYPES = "\n".join(f"real network_{name}(real x);" for name in FUNCTIONS)

_ORDER = """\
Order of the operations, which the rounding errors depend on:
- one accumulator for each sum, starting at zero, the bias added last;
- dense layers: over the input features;
- convolutions: over kernel positions in C order (last axis fastest), input channels innermost; cells in
  the padding are skipped; transposed convolutions gather, in the same order;
- average pooling: over the real cells of the window in C order, then one division by their number;
- softmax: subtract the maximum, exponentials, sum along the axis, divide;
- batch normalisation: s = gamma / sqrt(variance + epsilon) once for each channel, then (x - mean) * s + beta;
- several tensors are folded from the left.
Every operation is one operation of type real: compile without -ffast-math and with -ffp-contract=off."""


@dataclass(frozen=True)
class Function:
    """The C function of one op: (name, expression of the caller) for each array it reads, and where its result goes."""

    name: str
    comment: str
    arrays: tuple[tuple[str, str], ...]
    target: str
    piece: Piece


@dataclass(frozen=True)
class Layout:
    """What the header states: nodes (name, offset, shape) in the work memory, and sizes in values."""

    model: str
    metadata: Mapping[str, str]
    real: Real
    nodes: tuple[tuple[str, int, Shape], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    work: int
    scratch: int
    weights: int
    checksum: int


def sources(layout: Layout, functions: Sequence[Function]) -> dict[str, bytes]:
    """All text files, by name."""
    folder = resources.files("boundnet.mca.emit") / "templates"
    files = {name: (folder / name).read_bytes() for name in STATIC}
    files["network.h"] = _header(layout).encode("ascii", "backslashreplace")
    files["network.c"] = _network(layout, functions).encode("ascii", "backslashreplace")
    return files


def _comment(text: str) -> str:
    """A C comment; nothing in ``text`` can end it."""
    safe = text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")
    lines = "".join(char if char.isprintable() or char == "\n" else " " for char in safe).splitlines()
    if len(lines) <= 1:
        return f"/* {''.join(lines)} */"
    return "/* " + "\n".join(f" * {line}".rstrip() for line in lines)[3:] + "\n */"


def _string(text: str) -> str:
    """A C string literal of the UTF-8 bytes of ``text``."""
    plain = set(range(32, 127)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'


def _header(layout: Layout) -> str:
    source = "".join(f"\n{key}: {value}" for key, value in layout.metadata.items() if key in ("sha256", "format"))
    ranks = max((len(shape) for _, _, shape in layout.nodes), default=1) or 1
    return f"""\
{_comment(f"{layout.model}: a neural network as C99, written by BoundNet.{source}")}
#ifndef NETWORK_H
#define NETWORK_H

#include <stddef.h>

typedef {layout.real} real;

#define NETWORK_REAL_{layout.real.upper()} 1
#define NETWORK_NODES {len(layout.nodes)}
#define NETWORK_INPUTS {len(layout.inputs)}
#define NETWORK_OUTPUTS {len(layout.outputs)}
#define NETWORK_VALUES {layout.work} /* values of all nodes together */
#define NETWORK_WORK {layout.work + layout.scratch} /* values of work memory, scratch included */
#define NETWORK_WEIGHTS {layout.weights}
#define NETWORK_WEIGHTS_ADLER32 {layout.checksum}u
#define NETWORK_RANK {ranks}

/* A tensor of one sample in the work memory, C order. */
typedef struct {{
    const char *name;
    size_t offset, size;
    int rank;
    long shape[NETWORK_RANK];
}} network_node;

extern const network_node network_nodes[NETWORK_NODES];
extern const int network_inputs[NETWORK_INPUTS];   /* the nodes that are inputs, in the model's order */
extern const int network_outputs[NETWORK_OUTPUTS]; /* and outputs */

/* network.c: computes every node from the inputs, which the caller has put into the work memory. */
void network_compute(const real *weights, real *work);

/* functions.c: elementary functions, computed in double and rounded to real once. */
{_PROTOTYPES}

/* weights.c: reads weights.bin into new memory; NULL and a message if it is missing or not this network's. */
real *network_read_weights(const char *path, char *message, size_t length);

/* library.c: the entry points of the shared library.  One handle serves one thread at a time. */
typedef struct network_handle network_handle;
network_handle *network_open(const char *weights_path, char *message, size_t length);
void network_run(network_handle *handle, const real *const *inputs, real *const *outputs);
const real *network_node_values(const network_handle *handle, int node); /* of the last run */
void network_close(network_handle *handle);

#endif
"""


_HELPERS = {
    "network_max": "static inline real network_max(real a, real b) { return a >= b || a != a ? a : b; }",
    "network_min": "static inline real network_min(real a, real b) { return a <= b || a != a ? a : b; }",
}


def _network(layout: Layout, functions: Sequence[Function]) -> str:
    bodies = [*map(_function, functions), _compute(layout, functions)]
    # Compilers warn of functions that nothing calls.
    helpers = [text for name, text in _HELPERS.items() if any(f"{name}(" in body for body in bodies)]
    parts = [
        _comment(f"{layout.model}: one function for each operation, {layout.real} arithmetic.\n\n{_ORDER}"),
        '#include "network.h"\n\n#include <float.h>\n#include <math.h>\n#include <string.h>',
        "#ifdef __FAST_MATH__\n#error \"compile without -ffast-math: it changes the order and the operations\"\n#endif\n"
        "#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16\n"
        '#error "this compiler keeps excess precision; on x86 compile with -msse2 -mfpmath=sse"\n#endif',
        *(["/* NaN in, NaN out. */\n" + "\n".join(helpers)] if helpers else []),
        _tables(layout),
        *bodies,
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _tables(layout: Layout) -> str:
    rows = []
    for name, offset, shape in layout.nodes:
        sizes = ", ".join(map(str, shape or (1,)))
        rows.append(f"    {{{_string(name)}, {offset}, {size_of(shape)}, {len(shape)}, {{{sizes}}}}},")
    lines = ["const network_node network_nodes[NETWORK_NODES] = {", *rows, "};"]
    for name, places in (("inputs", layout.inputs), ("outputs", layout.outputs)):
        lines.append(f"const int network_{name}[NETWORK_{name.upper()}] = {{{', '.join(map(str, places))}}};")
    return "\n".join(lines)


def _function(function: Function) -> str:
    arguments = [f"const real *{name}" for name, _ in function.arrays] + ["real *y"]
    if function.piece.scratch:
        arguments.append("real *scratch")
    head = f"static void {function.name}({', '.join(arguments)}) {{"
    return "\n".join([_comment(function.comment), head, *function.piece.lines, "}"])


def _compute(layout: Layout, functions: Sequence[Function]) -> str:
    lines = []
    for function in functions:
        values = [value for _, value in function.arrays] + [function.target]
        if function.piece.scratch:
            values.append(f"work + {layout.work}")
        lines.append(f"    {function.name}({', '.join(values)});")
    unused = [f"    (void){name};" for name in ("weights", "work") if not any(name in line for line in lines)]
    return "\n".join(["void network_compute(const real *weights, real *work) {", *unused, *lines, "}"])
