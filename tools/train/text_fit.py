"""Training of the text model: batches, losses, labels that a corpus lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from text_data import EMOTIONS, Sentence
from text_net import AFFECT_SCALE, Heads, TextNet
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


def table_of(sentences: Sequence[Sentence], spec: TextSpec) -> Table:
    """Return sentences as numbers."""
    known: dict[str, int] = {}
    words = np.zeros((len(sentences), spec.words), np.int32)
    before = np.zeros((len(sentences), spec.context), np.int32)
    for place, one in enumerate(sentences):
        for target, found in (
            (words, read_part(tokens(one.text), spec)),
            (before, context_tokens(one.before, spec) if one.before else []),
        ):
            numbers = [known.setdefault(token, len(known) + 1) for token in found]
            target[place, : len(numbers)] = numbers
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


def heads_of(
    net: TextNet,
    table: Table,
    chosen: npt.NDArray[np.integer],
    drop: float = 0.0,
    context: bool = True,
) -> Heads:
    """Run the network on some sentences, each distinct token once.

    Args:
        net: The network.
        table: The sentences.
        chosen: Which.
        drop: Share of token rows left out in training, so that n-grams learn to stand alone.
        context: Whether what was said before is read.
    """
    words = _used(table.words[chosen])
    before = _used(table.before[chosen]) if context else words[:, :1] * 0
    distinct, places = np.unique(np.concatenate([words, before], 1), return_inverse=True)
    ids = torch.from_numpy(table.rows[distinct])
    if drop:
        ids = ids * (torch.rand(ids.shape) > drop)
    vectors, mask = net.tokens(ids)
    at = torch.from_numpy(places.reshape(len(words), -1))
    here, said = at[:, : words.shape[1]], at[:, words.shape[1] :]
    return net.judge(_take(vectors, here), mask[here], _take(vectors, said), mask[said])


def _used(numbers: Ints) -> Ints:
    """Return the columns that anything is in, one at least."""
    return numbers[:, : max(1, int((numbers > 0).sum(-1).max()))]


def _take(vectors: Tensor, at: Tensor) -> Tensor:
    return F.embedding(at, vectors)


@torch.no_grad()
def run(net: TextNet, table: Table, context: bool = True) -> Heads:
    """Run the network on all sentences."""
    net.eval()
    every = np.argsort((table.words > 0).sum(1), kind="stable")
    parts = np.array_split(every, len(every) // 512 + 1)
    heads = [heads_of(net, table, part, context=context) for part in parts]
    back = torch.from_numpy(np.argsort(every))
    return Heads(*(torch.cat(column)[back] for column in zip(*heads, strict=True)))


@dataclass(frozen=True)
class Options:
    """How to train."""

    epochs: int = 6
    batch: int = 256
    rate: float = 2e-3
    table_rate: float = 2e-3
    row_drop: float = 0.1
    context_drop: float = 0.3
    affect: float = 1.0
    seed: int = 1
    quiet: float = 0.15
    lift: float = 0.15
    twice: tuple[str, ...] = ("meld", "emotionlines", "emobank")


def fit(net: TextNet, table: Table, options: Options) -> Iterator[float]:
    """Train; yields the mean loss of each epoch."""
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    dense = [p for name, p in net.named_parameters() if not name.startswith("table")]
    optimizers = (
        torch.optim.AdamW(dense, lr=options.rate, weight_decay=1e-2),
        torch.optim.SparseAdam([net.table.weight], lr=options.table_rate),
    )
    weights = category_weights(table, options.lift)
    steps = (sum(1 for _ in batches(table, options, np.random.default_rng(0))) + 3) * options.epochs
    schedules = [
        torch.optim.lr_scheduler.OneCycleLR(
            o, o.param_groups[0]["lr"], total_steps=steps + 50, pct_start=0.1, cycle_momentum=False
        )
        for o in optimizers
    ]
    done = 0
    for _ in range(options.epochs):
        net.train()
        losses = []
        for chosen in batches(table, options, rng):
            context = rng.random() > options.context_drop
            heads = heads_of(net, table, chosen, options.row_drop, context)
            loss = loss_of(heads, Truth(*(c[chosen] for c in table.truth)), weights, options)
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(dense, 5.0)
            done += 1
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                if done < steps + 49:
                    schedule.step()
            losses.append(loss.item())
        yield float(np.mean(losses))


def batches(
    table: Table, options: Options, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.integer]]:
    """Yield an epoch: everything, but a part only of DailyDialog's many neutral utterances."""
    plenty = np.array(
        [s.corpus == "dailydialog" and s.categories == {"neutral"} for s in table.sentences]
    )
    corpora = np.array([s.corpus for s in table.sentences])
    kept = np.flatnonzero(~plenty | (rng.random(len(plenty)) < options.quiet))
    kept = rng.permutation(np.concatenate([kept, np.flatnonzero(np.isin(corpora, options.twice))]))
    length = (table.words > 0).sum(1) + 1000 * (table.before > 0).any(1)
    cut = [
        batch
        for many in np.array_split(kept, max(1, len(kept) // (options.batch * 24)))
        for batch in np.array_split(
            many[np.argsort(length[many])], max(1, len(many) // options.batch)
        )
    ]
    for number in rng.permutation(len(cut)):
        yield cut[number]


def category_weights(table: Table, lift: float) -> Floats:
    """Return the weight of each category: rare ones more, by a power of their share."""
    share = table.truth.categories.sum(0) + 1.0
    weights = (share / share.sum()) ** -lift
    return np.asarray(weights / weights.mean(), np.float32)


def loss_of(heads: Heads, truth: Truth, weights: Floats, options: Options) -> Tensor:
    """Return the loss over the labels that there are."""
    t = Truth(*map(torch.from_numpy, truth))
    w = torch.from_numpy(weights)
    has_categories, has_emotions, has_affect = t.has.unbind(-1)
    target = t.categories * w
    total = target.sum(-1, keepdim=True).clamp(min=1e-6)
    weight = total[:, 0] / t.categories.sum(-1).clamp(min=1.0)
    cross = -(F.log_softmax(heads.logits, -1) * target / total).sum(-1) * weight
    scores = F.binary_cross_entropy_with_logits(heads.scores, t.categories, reduction="none").sum(
        -1
    )
    emotions = F.binary_cross_entropy_with_logits(heads.emotions, t.emotions, reduction="none").sum(
        -1
    )
    affect = (heads.affect - t.affect).square().mean(-1)
    n = len(t.has)
    return (
        (cross * has_categories).sum()
        + 0.5 * (scores * has_categories).sum()
        + 0.7 * (emotions * has_emotions).sum()
        + 3.0 * options.affect * (affect * has_affect).sum()
    ) / n
