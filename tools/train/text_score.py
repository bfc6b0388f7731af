"""Validation figures of the text model and its thresholds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from text_fit import Table
from text_net import Heads

from edge_emo.types import CATEGORIES

Floats = npt.NDArray[np.float32]


BELIEF = 50
"""How many true sentences of a label weigh as much as the network's own scores of it."""


def thresholds(scores: Floats, truth: Floats) -> Floats:
    """Return for each label the threshold of its score with the greatest expected F1.

    Of a label that is rare in the validation part, F1 says little; there the scores themselves,
    taken as probabilities, stand in for the truth by a share of BELIEF / (BELIEF + its number).
    """
    pairs = zip(scores.T, truth.T, strict=True)
    return np.array([_threshold(column, true) for column, true in pairs], np.float32)


def _threshold(scores: Floats, truth: Floats) -> float:
    order = np.argsort(-scores)
    share = BELIEF / (BELIEF + truth.sum())
    wanted = (1 - share) * truth[order] + share * scores[order]
    f1 = 2 * np.cumsum(wanted) / (np.arange(1, len(order) + 1) + wanted.sum())
    best = int(np.argmax(np.convolve(f1, np.ones(5) / 5, "same")[:-1]))
    return float((scores[order[best]] + scores[order[best + 1]]) / 2)


def multi_f1(present: npt.NDArray[np.bool_], truth: Floats) -> Floats:
    """Return F1 of each label."""
    hits = (present * truth).sum(0)
    return 2 * hits / np.maximum(present.sum(0) + truth.sum(0), 1)


def argmax_figures(logits: Floats, truth: Floats) -> dict[str, float]:
    """Return macro and weighted F1 of the likeliest category, of sentences with one."""
    one = truth.sum(1) == 1
    guess, true = logits[one].argmax(1), truth[one].argmax(1)
    numbers = np.arange(len(CATEGORIES))
    n = (true[:, None] == numbers).sum(0)
    guessed = (guess[:, None] == numbers).sum(0)
    hits = ((true == guess)[:, None] & (true[:, None] == numbers)).sum(0)
    f1 = 2 * hits / np.maximum(n + guessed, 1)
    return {
        "n": int(one.sum()),
        "accuracy": round(float((guess == true).mean()), 4),
        "macro F1": round(float(np.mean(f1[n > 0])), 4),
        "weighted F1": round(float(np.average(f1, weights=n)), 4),
    }


def lift_of(logits: Floats, truth: Floats, corpora: npt.NDArray[np.str_]) -> Floats:
    """Return what to add to the logits of lines with context, so that rare categories are found.

    It is a power of the categories' shares; that power is chosen by the weighted F1, mean of the
    corpora and of three neighbouring powers.

    Args:
        logits: (n, 7) of validation lines with context and one category.
        truth: (n, 7) their categories.
        corpora: (n,) their corpora.
    """
    rarity = -np.log(truth.mean(0) + 1e-3)
    powers = np.arange(0.0, 0.41, 0.05)
    found = [
        [argmax_figures(logits[m] + power * rarity, truth[m])["weighted F1"] for power in powers]
        for m in (corpora == name for name in np.unique(corpora))
    ]
    best = np.convolve(np.pad(np.mean(found, 0), 1, "edge"), np.ones(3) / 3, "valid").argmax()
    return np.asarray(powers[best] * rarity, np.float32)


def report(
    heads: Heads, table: Table, limits: tuple[Floats, Floats] | None = None
) -> dict[str, object]:
    """Return the figures of each corpus on a part."""
    corpora = np.array([s.corpus for s in table.sentences])
    found: dict[str, object] = {}
    logits, affect = heads.logits.numpy(), heads.affect.numpy()
    scores, emotions = heads.scores.sigmoid().numpy(), heads.emotions.sigmoid().numpy()
    truth = table.truth
    for name in dict.fromkeys(corpora.tolist()):
        here = corpora == name
        if truth.has[here, 0].any():
            found[name] = argmax_figures(logits[here], truth.categories[here])
    go = corpora == "goemotions"
    if limits is None:
        limits = (
            thresholds(scores[go], truth.categories[go]),
            thresholds(emotions[go], truth.emotions[go]),
        )
    found["ekman multi F1"] = round(
        float(multi_f1(scores[go] >= limits[0], truth.categories[go]).mean()), 4
    )
    found["28 multi F1"] = round(
        float(multi_f1(emotions[go] >= limits[1], truth.emotions[go]).mean()), 4
    )
    bank = truth.has[:, 2] > 0
    found["r"] = [
        round(float(np.corrcoef(affect[bank, i], truth.affect[bank, i])[0, 1]), 4) for i in range(3)
    ]
    return found
