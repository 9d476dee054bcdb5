"""The documentation site: ``uv run sphinx-build -W -c docs . build/site``; every warning fails.

Its pages are the repository's own Markdown files, so that each link leads on here and where the repository is browsed; the
navigation is the list of links in docs/index.md.  The API reference is made from docstrings, that of the command line from
the options' declarations.  Nothing is fetched: the theme brings its files along and uses the system's fonts.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from docutils import nodes

sys.path.insert(0, str(Path(__file__).parent / "site"))
from command_line import reference

project = "BoundNet"
author = project_copyright = "The BoundNet developers"
release = version = version_of("boundnet")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**.md", "examples/*/README.md"]
exclude_patterns = [".*", "build", "dist", "boundnet", "frontends", "reports", "tests", "benchmarks"]
root_doc = "docs/index"
smartquotes = False
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_type_aliases = {"Array": "Array", "Mask": "Mask"}
napoleon_use_ivar = True
python_maximum_signature_line_length = 80
add_module_names = False

html_theme = "furo"
html_title = "BoundNet"
html_extra_path = ["site/extra"]
html_static_path = ["site/static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sphinx = False

_LINK = re.compile(r"^[-*] \[([^]]+)\]\(([^)#]+)\.md\)", re.MULTILINE)
_SEVERAL = re.compile(r"(\s+)(\w+(?:, \w+)+): ")
_LITERAL = re.compile(r"(``.+?``|:[\w:]+:`[^`]+`|`[^`]+`)")


def navigation(index: str) -> str:
    """A hidden table of contents for each section of the index page: the pages that its list links to."""
    parts = []
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        pages = "\n".join(f"{title} <{page}>" for title, page in _LINK.findall(section))
        parts.append(f"```{{toctree}}\n:hidden:\n:caption: {section.splitlines()[0]}\n\n{pages}\n```\n")
    return "\n".join(parts)


def mathematics(line: str) -> str:
    """A docstring's line with the mathematics in it kept as it is: |x|, 2**p and x_ are no markup."""
    parts = _LITERAL.split(line)
    return "".join(part if i % 2 else re.sub(r"([|*\\]|(?<=\w)_(?!\w))", r"\\\1", part) for i, part in enumerate(parts))


def _read(app: Any, name: str, source: list[str]) -> None:
    if name == root_doc:
        source[0] += "\n" + navigation(source[0])
    if name == "docs/reference/cli":
        source[0] += "\n" + reference()


def apart(lines: list[str]) -> list[str]:
    """An attribute section's entries "low, high: ends" as one entry for each name."""
    done: list[str] = []
    rest = list(lines)
    while rest:
        entry = [rest.pop(0)]
        several = _SEVERAL.match(entry[0]) if "Attributes:" in done else None
        while several and rest and rest[0].startswith(f"{several[1]} "):
            entry.append(rest.pop(0))
        for attribute in several[2].split(", ") if several else ():
            done += [f"{several[1]}{attribute}: {entry[0][several.end() :]}", *entry[1:]]
        done += [] if several else entry
    return done


def _docstring(app: Any, what: str, name: str, item: object, options: object, lines: list[str]) -> None:
    lines[:] = [line if line.lstrip().startswith("*") else mathematics(line) for line in apart(lines)]


def _signature(app: Any, what: str, name: str, item: object, options: object, given: str, returns: str) -> Any:
    """A protocol is not made by calling it."""
    return ("", returns) if what == "class" and getattr(item, "_is_protocol", False) else None


def _words(app: Any, page: nodes.document, name: str) -> None:
    """Sphinx' words in fields: what a class has are attributes, and what they are comes after a colon."""
    for text in list(page.findall(nodes.Text)):
        if text == "Variables":
            text.parent.replace(text, nodes.Text("Attributes"))
        if text == " -- ":
            text.parent.replace(text, nodes.Text(": "))


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx; docstrings are escaped before napoleon reads their sections."""
    app.connect("source-read", _read)
    app.connect("doctree-resolved", _words)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _docstring, priority=400)
    return {"parallel_read_safe": True}
