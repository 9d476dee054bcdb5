"""Inputs from images: pixels are exact integers, pixel * scale + offset is rounded once to binary64."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from boundnet.errors import InputError
from boundnet.numerics.outward import Array

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
_EIGHT_BIT = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")
_CHANNELS = {1: "L", 3: "RGB"}


@dataclass(frozen=True)
class Pixels:
    """How 8-bit pixels become inputs.

    Attributes:
        resize: (height, width) in pixels, bilinear; None keeps the image's own size.
        scale, offset: input = pixel * scale + offset, with pixel in 0..255.
    """

    resize: tuple[int, int] | None = None
    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    def table(self) -> Array:
        """The 256 possible inputs, each correctly rounded to binary64."""
        return np.array([float(pixel * self.scale + self.offset) for pixel in range(256)])


def parse_number(text: str, option: str) -> Fraction:
    """An exact number from ``0.5``, ``1e-3`` or ``1/255``.

    Raises:
        InputError: it is none; names ``option``.
    """
    try:
        return Fraction(text.replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        raise InputError(f"{option} {text!r}: give a number such as 0.5 or 1/255") from None


def load_images(path: Path, shape: tuple[int | None, ...], pixels: Pixels, notes: list[str]) -> Array:
    """Samples of ``shape`` from an image or from all images of a folder, by name: (N, *shape) float64.

    Sizes that ``shape`` leaves open are those of the first image.

    Raises:
        InputError: no image, unreadable or of the wrong size; names the file.
    """
    files = [path]
    if path.is_dir():
        inside = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
        files = [entry for entry in inside if entry.suffix.lower() in SUFFIXES]
        if not files:
            raise InputError(f"{path}: no images in this folder ({', '.join(SUFFIXES)})")
        others = f", {len(inside) - len(files)} other files ignored" if len(inside) > len(files) else ""
        notes.append(f"{path}: {len(files)} images in order of their names{others}")
    if pixels.resize is not None:
        notes.append(f"images resized to {pixels.resize[0]} x {pixels.resize[1]} (bilinear, rounded to whole pixels)")
    if pixels.scale == 1 and pixels.offset == 0:
        notes.append("pixels are used as 0..255; if the model takes scaled ones, give --scale (such as 1/255) and --offset")
    else:
        notes.append(f"inputs are pixel * {pixels.scale} + {pixels.offset}, pixels 0..255, rounded once to binary64")
    table = pixels.table()
    if not np.isfinite(table).all():
        raise InputError("--scale and --offset take pixels out of the range of binary64")
    sizes = _settled(files[0], shape, pixels)
    return np.stack([table[_read(file, sizes, pixels)] for file in files])


def _settled(file: Path, shape: tuple[int | None, ...], pixels: Pixels) -> tuple[int, ...]:
    """``shape`` with the sizes that it leaves open as the image has them."""
    known = tuple(n for n in shape if n is not None)
    if len(known) == len(shape):
        return known
    from PIL import Image

    try:
        with Image.open(file) as image:
            height, width = pixels.resize or (image.height, image.width)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{file}: not a readable image ({why})") from error
    for layout in ((height, width), *((height, width, c) for c in _CHANNELS), *((c, height, width) for c in _CHANNELS)):
        if len(layout) == len(shape) and all(n in (None, m) for n, m in zip(shape, layout, strict=True)):
            return layout
    raise InputError(f"{file}: {height} x {width} pixels don't fit the model's input of shape {shape}; give --input-shape")


def _read(file: Path, shape: tuple[int, ...], pixels: Pixels) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """One image as uint8 in the model's shape."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.mode not in _EIGHT_BIT:
                raise InputError(f"{file}: pixels of mode {image.mode!r}, not 8-bit ones; save the numbers as .npy")
            size = pixels.resize or (image.height, image.width)
            channels, first = _layout(file, shape, size)
            plain = image.convert(_CHANNELS[channels])
            if pixels.resize is not None:
                plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            array = np.asarray(plain, dtype=np.uint8).reshape(*size, channels)
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{file}: not a readable image ({why})") from error
    return (np.moveaxis(array, -1, 0) if first else array).reshape(shape)


def _layout(file: Path, shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, bool]:
    """Channels (1 or 3) and whether they come first, for a model input of ``shape`` and an image of ``size``.

    Raises:
        InputError: the image doesn't fit; says which --resize would.
    """
    fits: dict[tuple[int, ...], tuple[int, bool]] = {size: (1, False)}
    for channels in _CHANNELS:
        fits[(channels, *size)] = channels, True
        fits[(*size, channels)] = channels, False
        fits.setdefault((channels * size[0] * size[1],), (channels, False))
    if shape in fits:
        return fits[shape]
    at = f"{file}: {size[0]} x {size[1]} pixels"
    if len(shape) == 3 and shape[-1] in _CHANNELS:
        raise InputError(f"{at}, the model takes {shape[0]} x {shape[1]}; give --resize {shape[0]} {shape[1]}")
    if len(shape) == 3 and shape[0] in _CHANNELS:
        raise InputError(f"{at}, the model takes {shape[1]} x {shape[2]}; give --resize {shape[1]} {shape[2]}")
    if len(shape) == 2:
        raise InputError(f"{at}, the model takes {shape[0]} x {shape[1]}; give --resize {shape[0]} {shape[1]}")
    raise InputError(f"{at} don't fit the model's input of shape {shape}; give --resize with sizes that do, or a .npy file")
