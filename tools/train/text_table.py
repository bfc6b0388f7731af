"""Sentences and their labels as arrays, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from text_data import EMOTIONS, Sentence
from text_net import AFFECT_SCALE, Heads
from torch import Tensor

from edge_emo.features.text import TextSpec, context_tokens, read_part, token_rows, tokens
from edge_emo.types import CATEGORIES

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


class Truth(NamedTuple):
    """Labels of sentences; a row of ``has`` says which of them the corpus gives.

    Attributes:
        categories: (n, 7) 0 or 1.
        emotions: (n, 28) 0 or 1.
        affect: (n, 3) in units of ``AFFECT_SCALE``.
        has: (n, 3): categories, emotions, affect.
    """

    categories: Floats
    emotions: Floats
    affect: Floats
    has: Floats


@dataclass(frozen=True)
class Table:
    """Sentences as numbers of distinct tokens, and the rows of those.

    Attributes:
        rows: (distinct, ids) rows of each token; the first one is padding.
        words: (n, words) numbers of tokens.
        before: (n, words) likewise, of the context.
        truth: Labels.
        sentences: What they are.
    """

    rows: Ints
    words: Ints
    before: Ints
    truth: Truth
    sentences: Sequence[Sentence]

    def part(self, chosen: npt.NDArray[np.bool_]) -> Table:
        """Return some of the sentences."""
        truth = Truth(*(column[chosen] for column in self.truth))
        some = [s for s, c in zip(self.sentences, chosen, strict=True) if c]
        return Table(self.rows, self.words[chosen], self.before[chosen], truth, some)

    def read(self, words: Ints, before: Ints) -> Table:
        """Return the sentences with other tokens."""
        return replace(self, words=words, before=before)


def table_of(sentences: Sequence[Sentence], spec: TextSpec) -> Table:
    """Return sentences as numbers."""
    known: dict[str, int] = {}
    words = np.zeros((len(sentences), spec.words), np.int32)
    before = np.zeros((len(sentences), spec.context), np.int32)
    for place, one in enumerate(sentences):
        read = [known.setdefault(t, len(known) + 1) for t in read_part(tokens(one.text), spec)]
        words[place, : len(read)] = read
        said = context_tokens(one.before, spec) if one.before else []
        before[place, spec.context - len(said) :] = [
            known.setdefault(t, len(known) + 1) for t in said
        ]
    rows = np.zeros((len(known) + 1, spec.ids), np.int32)
    for token, number in known.items():
        got = token_rows(token, spec)
        rows[number, : len(got)] = got
    return Table(rows, words, before, truth_of(sentences), sentences)


def truth_of(sentences: Sequence[Sentence]) -> Truth:
    """Return the labels of sentences."""
    n = len(sentences)
    truth = Truth(*(np.zeros((n, width), np.float32) for width in (7, len(EMOTIONS), 3, 3)))
    for place, one in enumerate(sentences):
        for name in one.categories or ():
            truth.categories[place, CATEGORIES.index(name)] = 1.0
        for name in one.emotions or ():
            truth.emotions[place, EMOTIONS.index(name)] = 1.0
        if one.affect:
            truth.affect[place] = np.array(one.affect) / AFFECT_SCALE
        truth.has[place] = [bool(one.categories), bool(one.emotions), bool(one.affect)]
    return truth


@dataclass(frozen=True)
class View:
    """Training sentences in one shape.

    Attributes:
        words: (n, words) numbers of tokens.
        before: (n, words) likewise, of the context.
        share: How many of the batches read it.
        truth: What the labels of the corpora count in it.
        answers: What the teachers say of it, as probabilities; None without teachers.
    """

    words: Ints
    before: Ints
    share: float
    truth: float = 1.0
    answers: Heads | None = None


class Batch(NamedTuple):
    """Some sentences as numbers of distinct rows of the table.

    Attributes:
        rows: (n,) which rows of the table are used, padding first.
        ids: (distinct, ids) each distinct token as places in ``rows``.
        words: (batch, words) places in ``ids``.
        before: (batch, words) likewise.
    """

    rows: Tensor
    ids: Tensor
    words: Tensor
    before: Tensor


def batch_of(words: Ints, before: Ints, token_rows: Ints, size: int) -> Batch:
    """Return sentences as a batch.

    Args:
        words: (batch, words) numbers of tokens.
        before: (batch, words) likewise, of the context; the last columns are the newest.
        token_rows: (distinct, ids) rows of each token.
        size: Of the table.
    """
    words = words[:, : max(1, int((words > 0).sum(-1).max()))]
    before = before[:, before.shape[1] - max(1, int((before > 0).sum(-1).max())) :]
    distinct, places = _distinct(np.concatenate([words, before], 1), len(token_rows))
    rows, ids = _distinct(token_rows[distinct], size)
    at = torch.from_numpy(places)
    width = words.shape[1]
    return Batch(torch.from_numpy(rows), torch.from_numpy(ids), at[:, :width], at[:, width:])


def _distinct(numbers: Ints, size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the distinct numbers, 0 always among them, and where each one is in that list."""
    used = np.zeros(size, bool)
    used[numbers] = used[0] = True
    distinct = np.flatnonzero(used)
    places = np.zeros(size, np.int64)
    places[distinct] = np.arange(len(distinct))
    return distinct, places[numbers]
