"""Images for benchmarks: photos from a folder where there is one, else pictures made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "models" / "data" / "imagenet_samples"


def images(count: int, size: int, folder: Path = PHOTOS, seed: int = 0) -> npt.NDArray[np.float32]:
    """``count`` RGB images of ``size`` x ``size`` pixels, 0..255, whole numbers: (count, size, size, 3).

    Photos first, by name, as their largest square from the middle; the rest is synthetic.
    """
    files = sorted(folder.glob("*.JPEG"))[:count] if folder.is_dir() else []
    made = [_photo(path, size) for path in files]
    made += [synthetic(size, seed + number) for number in range(len(files), count)]
    return np.stack(made)


def _photo(path: Path, size: int) -> npt.NDArray[np.float32]:
    from PIL import Image

    with Image.open(path) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.convert("RGB").crop((left, top, left + side, top + side))
        return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR), dtype=np.float32)


def synthetic(size: int, seed: int) -> npt.NDArray[np.float32]:
    """A picture with the main traits of photos: amplitude falling as 1/frequency, edges, correlated colours."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    falling = 1.0 / np.maximum(frequency, 1.0 / size)
    grey, *tints = (_field(rng, falling, size) for _ in range(4))
    picture: Any = np.stack([grey + 0.3 * tint for tint in tints], axis=-1)
    rows, columns = np.mgrid[:size, :size]
    for _ in range(6):  # half planes: edges at all angles
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.8) * size
        side = np.cos(angle) * rows + np.sin(angle) * columns > offset * (np.cos(angle) + np.sin(angle))
        picture = picture + np.where(side[..., None], rng.normal(0, 0.5, 3), 0.0)
    low, high = np.percentile(picture, [1, 99])
    return np.rint(np.clip((picture - low) / (high - low), 0, 1) * 255).astype(np.float32)


def _field(rng: np.random.Generator, amplitude: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    phases = np.exp(2j * np.pi * rng.uniform(size=amplitude.shape))
    field = np.fft.irfft2(amplitude * phases, s=(size, size))
    return np.asarray((field - field.mean()) / field.std())
