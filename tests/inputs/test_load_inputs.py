"""Reading inputs: exact numbers, no guesses in silence."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from boundnet.errors import InputError
from boundnet.graph import LayerGraph
from boundnet.inputs.arrays import check_inputs, random_inputs, shapes_of
from boundnet.inputs.files import load_inputs
from boundnet.inputs.images import Pixels, parse_number
from boundnet.ops.structural import Input


def graph_of(**shapes: tuple[int, ...]) -> LayerGraph:
    graph = LayerGraph()
    for name, shape in shapes.items():
        graph.add(name, Input(shape))
    graph.set_outputs(list(shapes))
    return graph


def read(shape: tuple[int, ...], *specs: object, pixels: Pixels | None = None) -> np.ndarray[Any, Any]:
    loaded = load_inputs(graph_of(image=shape), [str(spec) for spec in specs], pixels).inputs
    assert isinstance(loaded, np.ndarray)
    return loaded


def test_npy_is_kept_as_it_is(tmp_path: Path) -> None:
    values = np.array([[0.1, 1e-310, -0.0]])
    np.save(tmp_path / "x.npy", values)
    assert read((3,), tmp_path / "x.npy").tobytes() == values.tobytes()


def test_npz_keys(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, only=np.ones(2))
    assert read((2,), path).tolist() == [1, 1]
    np.savez(path, labels=np.zeros(2), x=np.ones(2))
    loaded = load_inputs(graph_of(image=(2,)), [str(path)])
    assert np.asarray(loaded.inputs).tolist() == [1, 1]
    assert "took array 'x' of labels, x" in loaded.notes[0]
    assert read((2,), f"{path}:labels").tolist() == [0, 0]


def test_a_colon_may_be_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a:b.npy"
    np.save(path, np.ones(2))
    assert read((2,), path).tolist() == [1, 1]


def test_wide_floats_are_not_rounded_in_silence(tmp_path: Path) -> None:
    if np.finfo(np.longdouble).nmant <= 52:
        pytest.skip("long double is binary64 here")
    np.save(tmp_path / "x.npy", np.array([np.longdouble(1) / 3]))
    with pytest.raises(InputError, match="can't hold exactly"):
        read((1,), tmp_path / "x.npy")


@pytest.mark.parametrize(
    "text",
    ["0.1,2\n3,4e-3\n", "0.1;2\n3;4e-3\n", "0.1 2\n 3   4e-3\n", "a,b\n0.1,2\n\n3,4e-3\n", "\ufeff0.1,2\n3,4e-3"],
)
def test_csv(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    assert read((2,), tmp_path / "x.csv").tolist() == [[0.1, 2.0], [3.0, 0.004]]


def test_csv_takes_the_models_shape(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2,3,4\n")
    assert read((2, 2, 1), tmp_path / "x.csv").tolist() == [[[[1], [2]], [[3], [4]]]]


def test_several_files_are_samples_in_turn(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros(2))
    np.save(tmp_path / "two.npy", np.ones((2, 2)))
    assert read((2,), tmp_path / "one.npy", tmp_path / "two.npy").tolist() == [[0, 0], [1, 1], [1, 1]]


def gradient(path: Path, size: tuple[int, int], mode: str = "RGB") -> np.ndarray[Any, Any]:
    """An image file of height x width and its pixels."""
    channels = {"RGB": 3, "L": 1, "RGBA": 4}[mode]
    pixels = np.arange(size[0] * size[1] * channels, dtype=np.uint8).reshape(*size, channels)
    Image.fromarray(pixels.squeeze(-1) if channels == 1 else pixels, mode).save(path)
    return pixels


def test_images_are_exact_integers(tmp_path: Path) -> None:
    pixels = gradient(tmp_path / "a.png", (4, 5))
    assert np.array_equal(read((4, 5, 3), tmp_path / "a.png"), pixels[None])
    assert np.array_equal(read((3, 4, 5), tmp_path / "a.png"), np.moveaxis(pixels, -1, 0)[None])
    assert np.array_equal(read((60,), tmp_path / "a.png"), pixels.reshape(1, 60))


def test_grey_by_the_models_channels(tmp_path: Path) -> None:
    pixels = gradient(tmp_path / "a.png", (4, 5), "L")
    for shape in ((4, 5, 1), (4, 5), (20,), (1, 4, 5)):
        assert np.array_equal(read(shape, tmp_path / "a.png"), pixels.reshape(1, *shape))
    assert np.array_equal(read((4, 5, 3), tmp_path / "a.png"), np.repeat(pixels, 3, axis=-1)[None])


def test_scale_and_offset_round_once(tmp_path: Path) -> None:
    pixels = gradient(tmp_path / "a.png", (16, 16), "L").reshape(1, 256)
    rules = Pixels(scale=parse_number("1/255", "--scale"), offset=parse_number("-0.3", "--offset"))
    expected = [float(Fraction(int(pixel), 255) - Fraction(3, 10)) for pixel in pixels[0]]
    assert read((256,), tmp_path / "a.png", pixels=rules).tolist() == [expected]


def test_folder_in_order_of_names(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name, level in (("b.png", 2), ("a.png", 1), ("c.PNG", 3)):
        Image.new("L", (2, 2), level).save(folder / name, "png")
    (folder / "notes.txt").touch()
    loaded = load_inputs(graph_of(image=(2, 2, 1)), [str(folder)], Pixels())
    assert np.asarray(loaded.inputs)[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert "3 images in order of their names, 1 other files ignored" in loaded.notes[0]


def test_resize(tmp_path: Path) -> None:
    Image.new("L", (7, 3), 9).save(tmp_path / "a.png")
    assert read((4, 4, 1), tmp_path / "a.png", pixels=Pixels((4, 4))).tolist() == np.full((1, 4, 4, 1), 9).tolist()
    with pytest.raises(InputError, match="3 x 7 pixels, the model takes 4 x 4; give --resize 4 4"):
        read((4, 4, 1), tmp_path / "a.png")


def test_images_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    with pytest.raises(InputError, match="not a readable image"):
        read((2, 2, 1), tmp_path / "a.png")
    Image.fromarray(np.full((2, 2), 40000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match="not 8-bit"):
        read((2, 2, 1), tmp_path / "deep.png")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no images in this folder"):
        read((2, 2, 1), tmp_path / "none")


@pytest.mark.parametrize("text", ["", "x", "1/0", "nan", "inf", "1/255/2"])
def test_numbers_that_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--scale"):
        parse_number(text, "--scale")


def test_indices_are_whole_numbers() -> None:
    """A mask is taken from an index as it stands, its row by cutting off: 0.6 would be no padding and row 0."""
    graph = LayerGraph()
    graph.add("ids", Input((50,), integer=True))
    graph.add("x", Input((50,)))
    graph.set_outputs(["ids", "x"])
    ids, x = random_inputs(graph, 20, 0.0, 3.5, 1)
    assert set(np.unique(ids)) == {0.0, 1.0, 2.0, 3.0}
    assert len(np.unique(x)) > 900
    assert set(np.unique(random_inputs(graph, 2, 2.0, 2.0, 1)[0])) == {2.0}
    with pytest.raises(InputError, match="'ids' holds whole numbers, none there"):
        random_inputs(graph, 2, 0.25, 0.75, 1)
    check_inputs(graph, [ids, x])
    with pytest.raises(InputError, match=r"'ids' holds whole numbers \(indices of an embedding\), got \d\.5"):
        check_inputs(graph, [ids + 0.5, x])


class Open:
    """A network that leaves sizes open."""

    def __init__(self, *shape: int | None) -> None:
        self._shape, self.inputs = shape, ["image"]

    def shape(self, name: str) -> tuple[int | None, ...]:
        return self._shape


@pytest.mark.parametrize(
    ("shape", "wanted"), [((None, None, 3), (4, 5, 3)), ((3, None, None), (3, 4, 5)), ((None, 5), (4, 5))]
)
def test_images_settle_open_sizes(tmp_path: Path, shape: tuple[int | None, ...], wanted: tuple[int, ...]) -> None:
    for name in "ab":
        Image.fromarray(np.full((4, 5, 3), 7, np.uint8)).save(tmp_path / f"{name}.png")
    loaded = load_inputs(Open(*shape), [str(tmp_path)]).inputs
    assert np.shape(loaded) == (2, *wanted)


def test_images_that_do_not_fit_open_sizes(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 5, 3), 7, np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="--input-shape"):
        load_inputs(Open(None, None, 2), [str(tmp_path / "a.png")])


def test_sizes_of_arrays_settle_open_ones() -> None:
    shapes = {"left": (None, 4), "right": (3,)}
    given = {"left": np.ones((2, 5, 4)), "right": np.ones((2, 3))}
    assert shapes_of(shapes, given) == {"left": (5, 4), "right": (3,)}
    assert shapes_of(shapes, [np.ones((5, 4)), np.ones(3)]) == {"left": (5, 4), "right": (3,)}
    with pytest.raises(InputError, match=r"'left' needs shape \(samples, any, 4\)"):
        shapes_of(shapes, [np.ones((2, 5, 3)), np.ones((2, 3))])
    with pytest.raises(InputError, match="different sizes"):
        shapes_of({"x": (None, 4)}, [np.ones((5, 4)), np.ones((6, 4))])
