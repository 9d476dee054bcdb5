"""``boundnet graph``: the operations of a model as a table, GraphML, DOT or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import networkx as nx
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from boundnet.cli.open_model import load
from boundnet.cli.request import check_files, parse_shapes
from boundnet.cli.session import width
from boundnet.graph import LayerGraph
from boundnet.results.files import replacing
from boundnet.results.text import count_text, printable, shape_text


def run(model: Path, input_shapes: Sequence[str], files: Mapping[str, Path]) -> None:
    """Print the graph of ``model`` and write it to ``files``, by kind."""
    check_files(files, {"the model": [model]})
    graph = load(model, parse_shapes(input_shapes))
    for kind, path in files.items():
        with replacing(path) as stream:
            WRITERS[kind](plain_graph(graph), stream)
    console = Console(width=width(), highlight=False)
    _print(graph, console)
    for kind, path in files.items():
        console.print(Text(f"{kind} written to {path}"), soft_wrap=True)


def plain_graph(graph: LayerGraph) -> nx.DiGraph[str]:
    """The graph with numbers and text only.  An edge's ``positions`` are those of its operand: an op may read one twice."""
    plain: nx.DiGraph[str] = nx.DiGraph()
    plain.graph.update({key: printable(value) for key, value in {**graph.metadata, "name": graph.name}.items()})
    for name in graph.topological():
        plain.add_node(
            printable(name), op=op_text(graph, name), shape=shape_text(graph.shape(name)),
            layer=printable(graph.layer_of(name)), kind=printable(graph.kind_of(name)),
            parameters=_parameters(graph, name), output=name in graph.outputs,
        )  # fmt: skip
        for position, source in enumerate(graph.inputs_of(name)):
            edge = printable(source), printable(name)
            before = plain.edges[edge]["positions"] + "," if plain.has_edge(*edge) else ""
            plain.add_edge(*edge, positions=f"{before}{position}")
    return plain


def op_text(graph: LayerGraph, name: str) -> str:
    """The op's class, with the function where it applies one."""
    op = graph.op(name)
    function = getattr(getattr(op, "function", None), "name", None)
    return f"{type(op).__name__}({function})" if function else type(op).__name__


def _parameters(graph: LayerGraph, name: str) -> int:
    return sum(int(weight.size) for weight in graph.op(name).parameters())


def _graphml(graph: nx.DiGraph[str], stream: TextIO) -> None:
    stream.write("\n".join(nx.generate_graphml(graph, prettyprint=True)) + "\n")


def _dot(graph: nx.DiGraph[str], stream: TextIO) -> None:
    stream.write(f"digraph {_quoted(graph.graph['name'])} {{\n  node [shape=box];\n")
    for name, data in graph.nodes(data=True):
        label = "\n".join((name, data["op"], data["shape"]))
        stream.write(f"  {_quoted(name)} [label={_quoted(label)}{', peripheries=2' if data['output'] else ''}];\n")
    for source, target, data in graph.edges(data=True):
        label = f" [label={_quoted(data['positions'])}]" if graph.in_degree(target) > 1 or "," in data["positions"] else ""
        stream.write(f"  {_quoted(source)} -> {_quoted(target)}{label};\n")
    stream.write("}\n")


def _quoted(text: str) -> str:
    """A DOT string: names are data, never markup or escapes such as \\N."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _json(graph: nx.DiGraph[str], stream: TextIO) -> None:
    data: dict[str, Any] = {
        "directed": True, "multigraph": False, "graph": dict(graph.graph),
        "nodes": [{"id": name, **attributes} for name, attributes in graph.nodes(data=True)],
        "edges": [{"source": start, "target": end, **attributes} for start, end, attributes in graph.edges(data=True)],
    }  # fmt: skip
    json.dump(data, stream, indent=1)
    stream.write("\n")


WRITERS: Mapping[str, Callable[[Any, TextIO], None]] = {"graphml": _graphml, "dot": _dot, "json": _json}


def _print(graph: LayerGraph, console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("node", "op", "shape", "layer", "inputs"):
        table.add_column(heading, overflow="fold")
    table.add_column("parameters", justify="right")
    names = graph.topological()
    for name in names:
        layer = f"{graph.layer_of(name)} ({graph.kind_of(name)})"
        cells = (name, op_text(graph, name), shape_text(graph.shape(name)), layer, ", ".join(graph.inputs_of(name)))
        size = _parameters(graph, name)
        table.add_row(*(Text(printable(cell)) for cell in cells), f"{size:,}" if size else "")
    console.print(table)
    layers = len({graph.layer_of(name) for name in names})
    parameters = f"{graph.parameters:,} parameters, shared ones counted once"
    lines = [f"{count_text(len(names), 'node')}, {count_text(layers, 'layer')}, {parameters}"]
    lines.append(f"outputs: {', '.join(graph.output_labels)}")
    lines += [f"{key}: {value}" for key, value in {"model": graph.name, **graph.metadata}.items()]
    for line in lines:
        console.print(Text(printable(line)), soft_wrap=True)
