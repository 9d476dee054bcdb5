"""The data: 8 x 8 images of digits, read row by row as sequences of eight tokens."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ROWS = 8


def tokens(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(N, 8, 8) images with values in 0..1 -> (N, 8, 16): each row's pixels, and which row it is, one-hot.

    The first layer, a dense one, thus adds a learnt vector for the position.
    """
    places = np.broadcast_to(np.eye(ROWS, dtype=np.float32), (len(images), ROWS, ROWS))
    return np.concatenate([images.astype(np.float32), places], axis=-1)
