"""Start-up, help and version: quick, and without the heavy imports."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from helpers.cli_run import Run

from boundnet.arithmetic import presets
from boundnet.cli import choices

HEAVY = ("tensorflow", "keras", "sympy", "numpy", "networkx", "h5py", "scipy")


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom boundnet.cli.app import app\nfrom typer.testing import CliRunner\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert _python(code).stdout.strip() == "[]"


def test_import_loads_nothing_heavy() -> None:
    assert _python(f"import sys, boundnet\nprint([n for n in {HEAVY} if n in sys.modules])").stdout.strip() == "[]"


def test_help_is_quick() -> None:
    """Under half a second of processor time, which other work on the machine disturbs less than the clock."""
    before = os.times()
    done = subprocess.run([sys.executable, "-m", "boundnet.cli", "--help"], capture_output=True, text=True, check=False)
    after = os.times()
    assert done.returncode == 0
    assert after.children_user - before.children_user + after.children_system - before.children_system < 0.5


def test_version(run: Run) -> None:
    done = run("--version")
    assert done.exit_code == 0
    assert done.stdout.startswith("boundnet ")


def test_analysis_needs_no_tensorflow() -> None:
    code = (
        "import sys, pathlib, tempfile\nsys.path.insert(0, 'tests')\nfrom helpers.tiny_models import classifier\nimport boundnet\n"
        "boundnet.analyze(classifier(pathlib.Path(tempfile.mkdtemp()) / 'm.h5'))\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    assert _python(code).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("option", "values"),
    [("fma", choices.Fma), ("rounding", choices.Rounding), ("subnormals", choices.Subnormals), ("bias", choices.Bias)],
)
def test_choices_are_those_of_the_arithmetic(option: str, values: type) -> None:
    for value in values:
        assert getattr(presets.build(**{option: value.value}), option) == value.value


def test_usage_errors_are_code_2(run: Run) -> None:
    options = (("--domain", "spheres"), ("--samples", "two"), ("--nonsense",))
    wrong = (("analyze",), ("nonsense",), *(("analyze", "x.h5", *option) for option in options))
    for words in wrong:
        done = run(*words)
        assert done.exit_code == 2
        assert done.stdout == ""
        assert done.stderr != ""
