"""What larger networks answer, for the small one to learn from: also of labels a corpus lacks.

Teachers read the training sentences as they are, without what was said before, and changed copies
of them (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015; Tang et al.,
"Distilling Task-Specific Knowledge from BERT into Simple Neural Networks", 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from text_data import SPOKEN
from text_fit import run
from text_net import Heads, TextNet
from text_table import Ints, Table, View


def plain_views(table: Table, context_drop: float) -> list[View]:
    """Return sentences with and without context, and no answers."""
    with_context = View(table.words, table.before, 1.0 - context_drop)
    return [with_context, View(table.words, table.before * 0, context_drop)]


@dataclass(frozen=True)
class Teachers:
    """Larger networks.

    Attributes:
        every: Fitted to all corpora.
        spoken: Those, fitted further to what is spoken; none when no corpus is.
    """

    every: Sequence[TextNet]
    spoken: Sequence[TextNet]

    def answer(self, table: Table) -> Heads:
        """Return the mean of what they say of sentences: probabilities, and affect."""
        said = _mean(self.every, table)
        some = np.array([s.corpus in SPOKEN for s in table.sentences])
        if not self.spoken or not some.any():
            return said
        return _replaced(said, some, _mean(self.spoken, table.part(some)))

    def views(self, table: Table, changed: int, seed: int, context_drop: float) -> list[View]:
        """Return sentences with and without context, and changed copies, each with answers.

        Tokens have the same numbers in every table of the same sentences, whatever its rows.

        Args:
            table: The sentences, with the rows of the teachers.
            changed: Copies of each sentence.
            seed: Of the copies.
            context_drop: Share that goes without context where nobody teaches; then there are
                neither answers nor copies.
        """
        if not self.every:
            return plain_views(table, context_drop)
        rng = np.random.default_rng(seed)
        said = self.answer(table)
        views = [
            View(table.words, table.before, 0.5, TRUTH, said),
            View(table.words, table.before * 0, 0.2, TRUTH, self._alone(table, said)),
        ]
        for _ in range(changed):
            copy = _changed(table.words, rng)
            found = self.answer(table.read(copy, table.before))
            views.append(View(copy, table.before, 0.3 / changed, 0.0, found))
        return views

    def _alone(self, table: Table, said: Heads) -> Heads:
        """Return the answers to sentences without their context, given those with it."""
        some = (table.before > 0).any(1)
        if not some.any():
            return said
        alone = table.read(table.words, table.before * 0).part(some)
        return _replaced(said, some, self.answer(alone))


def _replaced(said: Heads, some: npt.NDArray[np.bool_], found: Heads) -> Heads:
    places = torch.from_numpy(np.flatnonzero(some))
    return Heads(*(a.index_copy(0, places, b) for a, b in zip(said, found, strict=True)))


def _mean(networks: Sequence[TextNet], table: Table) -> Heads:
    said = [_probabilities(run(net, table)) for net in networks]
    return Heads(*(torch.stack(column).mean(0) for column in zip(*said, strict=True)))


TRUTH = 0.4
"""What the labels of the corpora count beside the teachers' answers."""


def _probabilities(heads: Heads) -> Heads:
    logits = heads.logits.softmax(-1)
    return Heads(logits, heads.scores.sigmoid(), heads.emotions.sigmoid(), heads.affect)


def _changed(words: Ints, rng: np.random.Generator) -> Ints:
    """Return a copy: tokens lost, exchanged for those of other sentences, and an end cut off."""
    kept = words * (rng.random(words.shape) > 0.12)
    used = words[words > 0]
    other = used[rng.integers(len(used), size=words.shape)]
    swapped = (rng.random(words.shape) < 0.08) & (words > 0)
    kept = np.where(swapped, other, kept)
    length = (words > 0).sum(1)
    cut = np.where(rng.random(len(words)) < 0.3, rng.random(len(words)), 1.0)
    end = np.maximum(3, np.ceil(length * cut))
    return np.asarray(np.where(np.arange(words.shape[1]) < end[:, None], kept, 0), np.int32)
