"""Guides whose code is complete are followed to the letter: packages are written, found by their entry points, and run."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_models import dense, write_model
from typer.testing import CliRunner

import boundnet
from boundnet.cli import app

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
