"""Synthetic protein sequences with planted motifs, one-hot encoded like DeepGOPlus's inputs.

A function (class) is a motif: a short string of amino acids, planted at a random place and with a few mutations into random
sequences.  A sequence carries one to three motifs, so labels are sets.
"""

from __future__ import annotations

import numpy as np

LETTERS = 21
"""Twenty amino acids behind letter 0, which stands for unknown ones and for the padding after a sequence's end."""


def motifs(classes: int, seed: int, shortest: int = 6, longest: int = 14) -> list[np.ndarray]:
    """One motif for each class: arrays of letters 1 .. 20."""
    rng = np.random.default_rng(seed)
    return [rng.integers(1, LETTERS, size=rng.integers(shortest, longest + 1)) for _ in range(classes)]


def sequences(
    count: int, length: int, planted: list[np.ndarray], seed: int, mutation: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """Random sequences and which motifs they carry.

    Returns:
        letters (count, length) with 0 after the end, and labels (count, classes) of zeros and ones.
    """
    rng = np.random.default_rng(seed)
    letters = rng.integers(1, LETTERS, size=(count, length))
    labels = np.zeros((count, len(planted)), dtype=np.int64)
    for row in range(count):
        end = int(rng.integers(3 * length // 4, length + 1))
        chosen = rng.choice(len(planted), size=rng.integers(1, 4), replace=False)
        # One slot each, so that motifs don't overlap.
        slots = np.array_split(np.arange(end), len(chosen))
        for label, slot in zip(chosen, slots, strict=True):
            motif = planted[label]
            kept = np.where(rng.random(len(motif)) < mutation, rng.integers(1, LETTERS, len(motif)), motif)
            at = int(slot[0] + rng.integers(0, len(slot) - len(motif) + 1))
            letters[row, at : at + len(motif)] = kept
            labels[row, label] = 1
        letters[row, end:] = 0
    return letters, labels


def one_hot(letters: np.ndarray) -> np.ndarray:
    """(N, length, 21) of zeros and ones."""
    return np.eye(LETTERS)[letters]
