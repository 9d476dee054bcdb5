"""docs/reference/layers.md says what the front end does with the installed Keras."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "generate_layers.py"


def test_the_page_is_current(keras: ModuleType) -> None:
    spec = importlib.util.spec_from_file_location("generate_layers", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.PAGE.read_text(encoding="utf-8")
    if f"Keras {keras.__version__};" not in text:
        pytest.skip(f"the page was made from another Keras than {keras.__version__}")
    assert text == module.page(keras), "run docs/generate_layers.py"
