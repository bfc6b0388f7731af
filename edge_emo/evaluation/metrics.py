"""How good estimates are: formulas with their sources, in NumPy, float64.

Labels are given by name and results keep the order of the names they are given. A value that
the data cannot define (no sample, no variance) is None, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np
import numpy.typing as npt

from edge_emo.estimators.calibration import expected_calibration_error

__all__ = [
    "accuracy",
    "accuracy_answered",
    "concordance",
    "confusion",
    "expected_calibration_error",
    "label_f1",
    "macro_f1",
    "micro_f1",
    "pearson",
    "roc_auc",
    "unweighted_average_recall",
    "weighted_f1",
]

Counts = npt.NDArray[np.int64]


def confusion(
    labels: Sequence[str], true: Sequence[str], estimated: Sequence[str | None]
) -> Counts:
    """Count pairs of true and estimated label; abstentions (None) are in no cell.

    Args:
        labels: Names of rows and columns.
        true: n names out of ``labels``.
        estimated: n names out of ``labels``, None where there is no estimate.

    Returns:
        Shape (n_labels, n_labels): rows true, columns estimated.
    """
    place = {name: number for number, name in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)), np.int64)
    for truth, guess in zip(true, estimated, strict=True):
        if guess is not None:
            table[place[truth], place[guess]] += 1
    return table


def accuracy(true: Sequence[str], estimated: Sequence[str | None]) -> float | None:
    """Return the share of right estimates among all; an abstention is an error."""
    hits = sum(truth == guess for truth, guess in zip(true, estimated, strict=True))
    return hits / len(true) if true else None


def accuracy_answered(true: Sequence[str], estimated: Sequence[str | None]) -> float | None:
    """Return the share of right estimates among those that were given."""
    pairs = zip(true, estimated, strict=True)
    hits = [truth == guess for truth, guess in pairs if guess is not None]
    return sum(hits) / len(hits) if hits else None


def unweighted_average_recall(
    labels: Sequence[str], true: Sequence[str], estimated: Sequence[str | None]
) -> float | None:
    """Return the mean recall over the labels that occur (Schuller et al., INTERSPEECH 2009).

    An abstention counts as an error of its label.
    """
    pairs = list(zip(true, estimated, strict=True))
    recalls = []
    for label in labels:
        hits = [guess == label for truth, guess in pairs if truth == label]
        if hits:
            recalls.append(sum(hits) / len(hits))
    return sum(recalls) / len(recalls) if recalls else None


def macro_f1(
    labels: Sequence[str], true: Sequence[str], estimated: Sequence[str | None]
) -> float | None:
    """Return the mean F1 over the labels that occur or are estimated (van Rijsbergen 1979).

    F1 = 2 tp / (2 tp + fp + fn); an abstention is a false negative of its label.
    """
    pairs = list(zip(true, estimated, strict=True))
    scores = []
    for label in labels:
        occurs = sum(truth == label for truth, _ in pairs)
        guessed = sum(guess == label for _, guess in pairs)
        if occurs + guessed:
            hits = sum(truth == guess == label for truth, guess in pairs)
            scores.append(2 * hits / (occurs + guessed))
    return sum(scores) / len(scores) if scores else None


def weighted_f1(
    labels: Sequence[str], true: Sequence[str], estimated: Sequence[str | None]
) -> float | None:
    """Return the mean F1 of the labels, each weighted by how often it is true.

    An abstention is a false negative of its label.
    """
    if not true:
        return None
    pairs = list(zip(true, estimated, strict=True))
    total = 0.0
    for label in labels:
        occurs = sum(truth == label for truth, _ in pairs)
        guessed = sum(guess == label for _, guess in pairs)
        hits = sum(truth == guess == label for truth, guess in pairs)
        total += occurs * 2 * hits / max(occurs + guessed, 1)
    return total / len(pairs)


def label_f1(
    labels: Sequence[str], true: Sequence[Set[str]], estimated: Sequence[Set[str]]
) -> dict[str, float]:
    """Return F1 of each label that occurs or is estimated, where several may apply at once.

    Args:
        labels: Names.
        true: n sets of names.
        estimated: n sets of names; an abstention is the empty set.
    """
    pairs = list(zip(true, estimated, strict=True))
    scores = {}
    for label in labels:
        both = sum(label in truth and label in guess for truth, guess in pairs)
        either = sum((label in truth) + (label in guess) for truth, guess in pairs)
        if either:
            scores[label] = 2 * both / either
    return scores


def micro_f1(true: Sequence[Set[str]], estimated: Sequence[Set[str]]) -> float | None:
    """Return F1 over all pairs of clip and label; None when there is no such pair."""
    both = sum(len(truth & guess) for truth, guess in zip(true, estimated, strict=True))
    either = sum(len(truth) + len(guess) for truth, guess in zip(true, estimated, strict=True))
    return 2 * both / either if either else None


def roc_auc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float | None:
    """Return the area under the ROC curve of two labels.

    The Mann-Whitney statistic over n₊ n₋ (Hanley and McNeil 1982): the probability that a
    positive scores higher than a negative, ties counting one half.

    Args:
        scores: Shape (n,): probability of the positive label.
        positive: Shape (n,): whether that is the true label.

    Returns:
        0 … 1; None when one of the two labels does not occur.
    """
    values = np.asarray(scores, dtype=np.float64)
    is_positive = np.asarray(positive, dtype=bool)
    n_positive = int(is_positive.sum())
    n_negative = is_positive.size - n_positive
    if n_positive == 0 or n_negative == 0:
        return None
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    surplus = mean_ranks[is_positive].sum() - n_positive * (n_positive + 1) / 2.0
    return float(surplus / (n_positive * n_negative))


def concordance(reference: npt.ArrayLike, estimate: npt.ArrayLike) -> float | None:
    """Return the concordance correlation coefficient (Lin, Biometrics 1989).

    2 s_xy / (s_x² + s_y² + (m_x − m_y)²), with 1/n variances.

    Args:
        reference: Shape (n,).
        estimate: Shape (n,).

    Returns:
        −1 … 1; None below two values, or when both are one and the same constant.
    """
    x = np.asarray(reference, dtype=np.float64)
    y = np.asarray(estimate, dtype=np.float64)
    if x.size < 2 or np.ptp(np.concatenate([x, y])) == 0:
        return None
    covariance = float(((x - x.mean()) * (y - y.mean())).mean())
    spread = float(x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    return 2.0 * covariance / spread if spread > 0 else None


def pearson(reference: npt.ArrayLike, estimate: npt.ArrayLike) -> float | None:
    """Return Pearson's correlation coefficient.

    Args:
        reference: Shape (n,).
        estimate: Shape (n,).

    Returns:
        −1 … 1; None below two values, or when one of the two is constant.
    """
    x = np.asarray(reference, dtype=np.float64)
    y = np.asarray(estimate, dtype=np.float64)
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    covariance = ((x - x.mean()) * (y - y.mean())).mean()
    spread = float(x.std() * y.std())  # 0 also of values that differ by less than can be squared
    return float(covariance / spread) if spread > 0 else None
