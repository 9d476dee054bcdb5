"""Sections of a Markdown document, so that several commands can keep their tables in one file."""

from __future__ import annotations


def replace_section(document: str, title: str, text: str) -> str:
    """``document`` with ``text`` under the heading '## title' in place of what was there; appended if it is new."""
    heading = f"## {title}\n"
    start = document.find(heading)
    section = f"{heading}\n{text.rstrip()}\n"
    if start < 0:
        return f"{document.rstrip()}\n\n{section}"
    end = document.find("\n## ", start + len(heading))
    return document[:start] + section + ("" if end < 0 else document[end:])
