"""Measures of a predictor's quality, and what bounds of its probabilities say about them.

Fmax is CAFA's protein-centric measure: the largest F1 of mean precision and mean recall over thresholds 0.01 .. 1.00.
"""

from __future__ import annotations

import numpy as np

THRESHOLDS = np.arange(1, 101) / 100.0


def fmax(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Fmax of probabilities (N, classes) for labels of zeros and ones."""
    return max(_f1(*_precision_and_recall(probabilities >= threshold, labels)) for threshold in THRESHOLDS)


def aupr(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Area under the curve of precision over recall, all pairs of a sequence and a function ranked together.

    Average precision: the sum of precision times the recall that each distinct probability gains.
    """
    flat, right = probabilities.reshape(-1), labels.reshape(-1)
    order = np.argsort(-flat, kind="stable")
    found = np.cumsum(right[order])
    last = np.append(np.diff(flat[order]) != 0.0, True)  # ties are chosen together
    precision, recall = (found / np.arange(1, len(flat) + 1))[last], (found / found[-1])[last]
    return float(np.sum(np.diff(np.append(0.0, recall)) * precision))


def fmax_enclosure(low: np.ndarray, high: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Fmax of any probabilities between ``low`` and ``high`` (N, classes) lies between these two numbers.

    At a threshold some functions are chosen for certain (low reaches it) and others perhaps (high does).  Precision of a
    sequence is least where the wrong ones are chosen and the right ones are not, recall where the right ones are not, and
    the other way round; F1 grows with both.
    """
    lower, upper = [], []
    for threshold in THRESHOLDS:
        sure, perhaps = low >= threshold, high >= threshold
        yes, no = labels == 1, labels == 0
        right_least, right_most = (sure & yes).sum(axis=1), (perhaps & yes).sum(axis=1)
        wrong_least, wrong_most = (sure & no).sum(axis=1), (perhaps & no).sum(axis=1)
        known = yes.sum(axis=1)
        worst, best = _share(right_least, wrong_most), _share(right_most, wrong_least)
        any_sure, any_perhaps = sure.any(axis=1), perhaps.any(axis=1)
        lower.append(_f1(_mean(worst, any_sure, any_perhaps, -1), float((right_least / known).mean())))
        upper.append(_f1(_mean(best, any_sure, any_perhaps, 1), float((right_most / known).mean())))
    return max(lower), max(upper)


def _precision_and_recall(chosen: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    right, count = (chosen & (labels == 1)).sum(axis=1), chosen.sum(axis=1)
    some = count > 0
    precision = float((right[some] / count[some]).mean()) if some.any() else 0.0
    return precision, float((right / labels.sum(axis=1)).mean())


def _f1(precision: float, recall: float) -> float:
    return 2.0 * precision * recall / (precision + recall) if precision + recall > 0.0 else 0.0


def _share(right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    return right / np.maximum(right + wrong, 1)


def _mean(values: np.ndarray, sure: np.ndarray, perhaps: np.ndarray, sign: int) -> float:
    """Extreme mean (sign 1 largest, -1 smallest) over all of ``sure`` and any of ``perhaps``; 0 over nothing."""
    total, count = float(values[sure].sum()), int(sure.sum())
    for value in sorted(values[perhaps & ~sure], reverse=sign > 0):
        if count == 0 or sign * (value - total / count) > 0.0:
            total, count = total + float(value), count + 1
    if count == 0 or (sign < 0 and not sure.any()):
        return 0.0  # nothing needs to be chosen
    return total / count
