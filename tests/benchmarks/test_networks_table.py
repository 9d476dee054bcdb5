"""The benchmark's own arithmetic: counts, images, comparison with Keras, sections of the document."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.cases import find_cases
from benchmarks.document import replace_section
from benchmarks.images import images, synthetic
from benchmarks.macs import macs
from benchmarks.measure import measure
from benchmarks.networks_table import RUNS, compared, markdown
from boundnet import ops
from boundnet.graph import LayerGraph


def test_macs_by_hand() -> None:
    """3 x 3 convolution 8 x 8 x 2 -> 4 x 4 x 5, depthwise, transposed, dense, a product of two tensors."""
    graph = LayerGraph()
    graph.add("x", ops.Input((8, 8, 2)))
    graph.add("conv", ops.Conv(np.ones((3, 3, 2, 5)), None, (2, 2), (1, 1), 1, ((0, 1), (0, 1))), ("x",))
    graph.add("depthwise", ops.Conv(np.ones((3, 3, 1, 5)), None, (1, 1), (1, 1), 5, ((1, 1), (1, 1))), ("conv",))
    graph.add("up", ops.ConvTranspose(np.ones((2, 2, 3, 5)), None, (2, 2)), ("depthwise",))
    graph.add("flat", ops.Reshape((64, 3)), ("up",))
    graph.add("dense", ops.Dense(np.ones((3, 7))), ("flat",))
    graph.add("product", ops.Contract((0, 0)), ("dense", "flat"))
    graph.add("attention", ops.Einsum("ab,cb->ac"), ("flat", "flat"))
    graph.set_outputs(["product", "attention"])
    expected = 64 * 64 * 3 + 16 * 9 * 2 * 5 + 16 * 9 * 5 + 16 * 4 * 3 * 5 + 64 * 3 * 7 + 7 * 3 * 64
    assert macs(graph) == expected


def test_synthetic_images_are_seeded_pixels() -> None:
    first, again, other = synthetic(24, 1), synthetic(24, 1), synthetic(24, 2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (24, 24, 3)
    assert np.array_equal(first, np.rint(first))
    assert (first.min(), first.max()) == (0, 255)
    assert images(2, 16, Path("absent")).shape == (2, 16, 16, 3)


def _results(value: float) -> dict[str, np.ndarray]:
    return {f"{kind}_{run}": np.full((2, 3), value, dtype=np.float32) for kind in ("logits", "outputs") for run in RUNS}


def test_comparison_counts_what_is_outside() -> None:
    bounds = {"logits": np.zeros((2, 3)), "outputs": np.zeros((2, 3))}
    bounds |= {f"{kind}_bound": np.full((2, 3), 0.5) for kind in ("logits", "outputs")}
    inside = compared(bounds, _results(0.5))  # the bound itself may be attained
    assert (inside["outside"], inside["compared"]) == (0, 36)
    assert (inside["keras_error"], inside["bound_over_error"]) == (0.5, 1.0)
    over = np.nextafter(np.float32(0.5), np.float32(1))
    assert compared(bounds, {**_results(0.5), "logits_batch": np.full((2, 3), over)})["outside"] == 6
    assert compared(bounds, {**_results(0.5), "outputs_graph": np.full((2, 3), np.nan)})["outside"] == 6


def test_measures_the_shipped_example(tmp_path: Path) -> None:
    figures = measure(tmp_path, "example", "binary32, any order", 2, tmp_path / "bounds.npz")
    assert (figures.parameters, figures.macs, figures.decisions) == (6170, 51776, 2)
    assert 0 < figures.first_bound <= figures.largest_bound < 0.01
    with np.load(tmp_path / "bounds.npz") as bounds:
        assert bounds["logits"].shape == bounds["logits_bound"].shape == (2, 10)
    text = markdown([vars(figures), {"network": "n", "arithmetic": "a", "images": 1, "error": "too large"}])
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({line.count("|") for line in table}) == 1
    assert table[2].startswith("| example | 6,170 | 0.0518 M | binary32, any order | 2 |")
    assert "too large" in table[3]


def test_cases_are_found_by_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "vgg16.keras").write_bytes(b"")
    np.save(tmp_path / "vgg16_images.npy", np.full((3, 1, 1, 3), 0.1))
    cases = find_cases(tmp_path)
    assert "example" in cases
    assert "mobilenet" not in cases
    x = cases["vgg16"].images(2)
    assert x.shape == (2, 1, 1, 3)
    assert np.all(x == np.float32(0.1)), "Keras takes the same numbers"


@pytest.mark.parametrize("before", ["# T\n", "# T\n\n## Other\n\nkept\n", "# T\n\n## Mine\n\nold\n\n## Other\n\nkept\n"])
def test_a_section_is_replaced_alone(before: str) -> None:
    once = replace_section(before, "Mine", "new\n")
    assert "## Mine\n\nnew\n" in once
    assert "old" not in once
    assert ("kept" in once) == ("kept" in before)
    assert replace_section(once, "Mine", "new\n") == once
