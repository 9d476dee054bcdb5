"""Every link from one file of the repository to another leads somewhere, anchors included, and every page is reached."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^][]|\[[^]]*\])*\]\(([^()\s]+)\)")
_MENTION = re.compile(r"(?<![\w./-])docs/[\w./-]+\.(?:md|py|png)\b")
_SOURCES = {".py", ".md", ".json", ".toml", ".txt", ".html"}


_FOLDERS = ("benchmarks", "boundnet", "docs", "examples", "frontends", "reports", "tests")


def _texts() -> list[Path]:
    """The repository's text files."""
    within = [path for folder in _FOLDERS for path in (ROOT / folder).rglob("*")]
    return sorted(path for path in [*within, *ROOT.glob("*")] if path.suffix in _SOURCES and path.is_file())


PAGES = [path for path in _texts() if path.suffix == ".md" and "golden" not in path.parts]


def anchors(page: str) -> set[str]:
    """The anchors that GitHub and the site give to a page's headings."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.*?) *#*$", _FENCE.sub("", page), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found[name] = found.get(name, 0) + 1
    return {name if n == 0 else f"{name}-{n}" for name, times in found.items() for n in range(times)}


def links(page: str) -> list[str]:
    """Targets of a page's links within the repository; not those in code."""
    prose = re.sub(r"`[^`\n]*`", "``", _FENCE.sub("", page))
    return [target for target in _LINK.findall(prose) if "://" not in target and not target.startswith("mailto:")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(path: Path) -> None:
    for target in links(path.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path
        assert other.exists(), f"{target} is not there"
        if anchor and other.suffix == ".md":
            assert anchor in anchors(other.read_text(encoding="utf-8")), f"{target}: no such heading"


def test_mentioned_pages_exist() -> None:
    """Messages and docstrings that send people to docs/..., with the names that it has today."""
    missing = {}
    for path in _texts():
        if path.name == "analysis-1.0.json":  # written by an older version, kept as it was
            continue
        for name in _MENTION.findall(path.read_text(encoding="utf-8")):
            if not (ROOT / name).exists():
                missing[name] = str(path.relative_to(ROOT))
    assert not missing


def test_every_page_is_reached() -> None:
    """From the README, by links alone."""
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        ahead += [(page.parent / link.partition("#")[0]).resolve() for link in links(page.read_text(encoding="utf-8"))]
    assert not [str(page.relative_to(ROOT)) for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in seen]
