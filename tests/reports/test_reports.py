"""Reports of results that are large, odd or hostile."""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.tiny_models import classifier, dense, write_model
from rich.console import Console

import boundnet
from boundnet.errors import OutputError
from boundnet.results import Analysis, Decision
from boundnet.results.files import replacing
from boundnet_reports import console, csv_file, html_page, json_file

HOSTILE = "</td><script>alert(1)</script>{{ 7*7 }}"


class Tags(HTMLParser):
    """Collects tags, attributes and text, and checks nesting."""

    VOID = frozenset({"meta", "br", "hr", "img", "link"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.scripts = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts += data
        elif self.open[-1:] != ["style"]:
            self.text += data


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    model = classifier(tmp_path_factory.mktemp("model") / "m.h5")
    return boundnet.analyze(model, np.array([[1.0, 0.0, 0.0], [0.0, 0.3, 1.0]]))


def shown(analysis: Analysis) -> str:
    stream = io.StringIO()
    console.report(analysis, Console(file=stream, width=140))
    return stream.getvalue()


def all_reports(analysis: Analysis, folder: Path) -> dict[str, str]:
    texts = {"console": shown(analysis)}
    for name, module in (("json", json_file), ("csv", csv_file), ("html", html_page)):
        module.report(analysis, folder / name)  # type: ignore[attr-defined]
        texts[name] = (folder / name).read_text()
    Tags(texts["html"])
    return texts


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.h5", dense(HOSTILE.replace("/", "|"), [[1.0]], [0.0]), shape=[1])
    page = all_reports(boundnet.analyze(model), tmp_path)["html"]
    tags = Tags(page)
    assert [attributes for tag, attributes in tags.seen if tag == "script"] == [{}]
    assert "alert" not in tags.scripts
    assert HOSTILE.replace("/", "|") in tags.text


def test_page_needs_nothing_else(analysis: Analysis) -> None:
    """No element fetches anything, and the policy lets only the page's own script run."""
    page = html_page.render(analysis)
    tags = Tags(page)
    for tag, attributes in tags.seen:
        assert tag not in ("link", "img", "iframe", "object", "image", "use")
        assert not any(name.startswith("on") or name in ("src", "srcset", "xlink:href") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in page.replace("url(#arrow)", "")
    digest = base64.b64encode(hashlib.sha256(tags.scripts.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": policy}) in tags.seen


def test_page_says_what_matters(analysis: Analysis) -> None:
    text = Tags(html_page.render(analysis)).text
    head, _, rest = analysis.verdict.partition(": ")
    for wanted in (head, rest[1:], "deterministic", *analysis.assumptions, "dense_1", "Analysed from Python"):
        assert wanted in text


def test_page_repeats_the_command(analysis: Analysis) -> None:
    known = dataclasses.replace(analysis, command=("boundnet", "analyze", "a b.h5"))
    assert "boundnet analyze 'a b.h5'" in Tags(html_page.render(known)).text


def test_large_results_are_capped(analysis: Analysis) -> None:
    many = tuple(dataclasses.replace(analysis.samples[0], index=n) for n in range(2000))
    text = Tags(html_page.render(dataclasses.replace(analysis, samples=many))).text
    assert "1500 more samples are left out here" in text


def odd_results(analysis: Analysis) -> dict[str, Any]:
    sample = analysis.samples[0]
    output = sample.outputs[0]
    nowhere = np.full(output.value.shape, np.nan)
    infinite = np.full_like(nowhere, np.inf)
    unbounded = dataclasses.replace(output, value=nowhere, absolute_bound=infinite, relative_bound=nowhere)
    scalar = dataclasses.replace(output, **{f: np.array(1.5) for f in ("value", "absolute_bound", "relative_bound",
                                 "representation_error", "rounding_bound", "low", "high")})  # fmt: skip
    lost = Decision(0, None, float("nan"), float("inf"), False)
    layer = dataclasses.replace(
        analysis.layers[-1], absolute_bound=np.inf, error_share=np.nan, low=-np.inf, may_overflow=True
    )
    summary = dataclasses.replace(
        analysis.summary, max_absolute_bound=np.nan, max_absolute_bound_in_u=None, max_logit_bound=None
    )
    return {
        "no samples": {"samples": ()},
        "no layers": {"layers": ()},
        "not finite": {"samples": (dataclasses.replace(sample, outputs=(unbounded,), logits=None, decision=lost),),
                       "layers": (layer,), "summary": summary},
        "scalar box": {"samples": (dataclasses.replace(sample, outputs=(scalar,), logits=None, decision=None),)},
        "several outputs": {"samples": (dataclasses.replace(sample, outputs=(output, scalar)),)},
        "no warnings or facts": {"warnings": (), "assumptions": (), "timings": {}, "versions": {}},
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["no samples", "no layers", "not finite", "scalar box", "several outputs", "no warnings or facts"]
)
def test_odd_results(analysis: Analysis, tmp_path: Path, name: str) -> None:
    texts = all_reports(dataclasses.replace(analysis, **odd_results(analysis)[name]), tmp_path)
    if name == "not finite":
        assert "infinite" in texts["console"]
        assert "undefined" in texts["html"]
        assert "Infinity" not in texts["json"]
        assert "NaN" not in texts["json"]


def test_one_class(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.h5", dense("d", [[1.0]], [0.0], "softmax"), shape=[1])
    all_reports(boundnet.analyze(model), tmp_path)


def test_csv_keeps_all_digits(analysis: Analysis, tmp_path: Path) -> None:
    csv_file.report(analysis, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == csv_file.COLUMNS
    for row in rows:
        output = analysis.samples[int(row["index"])].outputs[0]
        assert float(row["value"]) == output.value[int(row["element"])]
        assert float(row["absolute_bound"]) == output.absolute_bound[int(row["element"])]


@pytest.mark.parametrize("module", [json_file, csv_file, html_page])
def test_missing_folder(analysis: Analysis, tmp_path: Path, module: Any) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        module.report(analysis, tmp_path / "missing" / "out")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_files_are_whole_or_unchanged(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out"
    path.write_text("before")

    def write() -> None:
        with replacing(path) as stream:
            stream.write("half")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_links_are_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with replacing(tmp_path / "link") as stream:
        stream.write("text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "text"


def test_devices_are_written_to() -> None:
    with replacing("/dev/null") as stream:
        stream.write("text")
