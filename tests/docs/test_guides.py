"""Guides whose code is complete are followed to the letter: packages are written, found by their entry points, and run."""

from __future__ import annotations

import re
import runpy
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_models import dense, write_model
from typer.testing import CliRunner

import boundnet
from boundnet import functions
from boundnet.cli.app import app
from boundnet.functions import smooth
from boundnet.testing import BoundViolation

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Guide:
    """The blocks of one page, and the folder in which its packages are installed."""

    def __init__(self, name: str, folder: Path) -> None:
        page = (ROOT / "docs" / "how-to" / name).read_text(encoding="utf-8")
        blocks = _BLOCK.findall(page)
        self.scripts = [code for language, code in blocks if language == "python" and not code.startswith("# boundnet_")]
        self.commands = [line for language, code in blocks if language == "sh" for line in code.splitlines()]
        for language, code in blocks:
            if language == "python" and code.startswith("# boundnet_"):
                path = folder / code.split("\n", 1)[0].removeprefix("# ")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(code, encoding="utf-8")
            if language == "toml":
                _install(tomllib.loads(code), folder)


def _install(project: dict[str, object], folder: Path) -> None:
    """What an installer leaves behind: metadata with the entry points."""
    facts = project["project"]
    assert isinstance(facts, dict)
    info = folder / f"{facts['name'].replace('-', '_')}-{facts['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {facts['name']}\nVersion: {facts['version']}\n")
    lines = []
    for group, points in facts["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is worked in and imported from; what was imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("boundnet_"):
            del sys.modules[name]


def test_a_front_end(folder: Path) -> None:
    guide = Guide("adding-a-front-end.md", folder)
    for script in guide.scripts:
        exec(compile(script, "adding-a-front-end.md", "exec"), {})
    nodes = boundnet.load("small.mlp.npz").topological()
    assert nodes == ["input", "dense_0", "dense_0/relu", "dense_1", "dense_1/softmax"]
    for command in guide.commands:
        result = CliRunner().invoke(app, command.split()[1:])
        assert result.exit_code in (0, 1), result.output
    with np.load("small.mlp.npz") as archive:
        arrays = dict(archive)
    np.savez("odd.mlp.npz", **{**arrays, "activations": ["cube", "root"]})
    with pytest.raises(boundnet.UnsupportedLayerError, match=r"2 layers.*\n.*dense_0.*\n.*dense_1") as refused:
        boundnet.load("odd.mlp.npz")
    assert len(refused.value.layers) == 2
    np.savez("infinite.mlp.npz", **{**arrays, "bias_1": np.full(3, np.inf)})
    Path("short.mlp.npz").write_bytes(Path("small.mlp.npz").read_bytes()[:200])
    Path("other.mlp.npz").write_text("nothing of the kind")
    for name in ("infinite", "short", "other"):
        with pytest.raises(boundnet.ModelFileError, match=f"{name}.mlp.npz: "):
            boundnet.load(f"{name}.mlp.npz")


def test_a_backend(folder: Path) -> None:
    guide = Guide("adding-a-backend.md", folder)
    rng = np.random.default_rng(5)
    hidden = dense("hidden", rng.normal(size=(6, 9)), rng.normal(size=9), "relu")
    write_model(Path("small.h5"), hidden, dense("out", rng.normal(size=(9, 2)), rng.normal(size=2)), shape=[6])
    (command,) = guide.commands
    result = CliRunner().invoke(app, command.split()[1:])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("CONFIRMED: 16 runs")  # two of each input
    code = folder / "boundnet_numpy" / "__init__.py"
    wrong = code.read_text().replace(" + op.bias.astype(np.float32)", "")
    code.write_text(wrong)
    for name in [name for name in sys.modules if name.startswith("boundnet_numpy")]:
        del sys.modules[name]
    result = CliRunner().invoke(app, command.split()[1:])
    assert result.exit_code == 3
    assert "hidden" in result.output


def test_a_domain(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The page's domain, attacked as the page says; without a term of its bound the oracle refutes it."""
    monkeypatch.chdir(ROOT)
    guide = Guide("adding-a-domain.md", tmp_path)
    names: dict[str, object] = {}
    for script in guide.scripts:
        exec(compile(script, "adding-a-domain.md", "exec"), names)
    assert re.fullmatch(r"outputs within 0\.\d+\n", capsys.readouterr().out)
    broken = guide.scripts[0].replace(
        "local, centre) for domain", "replace(local, rounding=0.0 * local.rounding), centre) for domain"
    )
    assert broken != guide.scripts[0]
    names["replace"] = replace
    exec(compile(broken, "adding-a-domain.md", "exec"), names)
    with pytest.raises(BoundViolation):
        exec(compile(guide.scripts[1], "adding-a-domain.md", "exec"), names)


def test_a_function(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The page's function in its module and the table; its facts are proved as those of all others."""
    guide = Guide("adding-a-function.md", tmp_path)
    first, *others = guide.scripts
    made = dict(vars(smooth))
    exec(compile(first, "adding-a-function.md", "exec"), made)
    monkeypatch.setitem(functions._TABLE, "bent_identity", made["bent_identity"])
    names = {"make": functions.make}
    for script in others:
        exec(compile(script, "adding-a-function.md", "exec"), names)
    function = functions.make("bent_identity")
    prove = runpy.run_path(str(ROOT / "tests" / "functions" / "test_claims.py"))["prove"]
    for low, high in pairwise(np.linspace(-60.0, 60.0, 25)):
        prove(function, float(low), float(high), 44)
    with pytest.raises(AssertionError, match="bent_identity"):
        prove(replace(function, curvature=0.49), -1.0, 1.0, 44)


def test_a_layer() -> None:
    """The rule that the page shows is the one in use."""
    page = (ROOT / "docs" / "how-to" / "adding-a-layer.md").read_text(encoding="utf-8")
    code = next(code for language, code in _BLOCK.findall(page) if language == "python")
    source = (ROOT / "frontends" / "boundnet_keras" / "layers" / "activation.py").read_text(encoding="utf-8")
    for part in code.rstrip().split("\n\n\n"):
        assert part in source
