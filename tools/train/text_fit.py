"""Training of the text model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from text_loss import category_weights, loss_of, taught_loss
from text_net import Heads, TextNet
from text_table import Batch, Floats, Table, Truth, View, batch_of
from torch import Tensor


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


def fit(net: TextNet, table: Table, views: Sequence[View], options: Options) -> Iterator[float]:
    """Train on views of a table's sentences; yields the mean loss of each epoch."""
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    trainer = _Trainer(net, options)
    weights = category_weights(table, options.lift)
    shares = np.array([view.share for view in views])
    steps = sum(1 for _ in batches(table, options, np.random.default_rng(0))) * options.epochs
    done = 0
    for _ in range(options.epochs):
        net.train()
        losses = []
        for chosen in batches(table, options, rng):
            view = views[rng.choice(len(views), p=shares / shares.sum())]
            batch = batch_of(view.words[chosen], view.before[chosen], table.rows, net.size.rows)
            losses.append(
                trainer.step(
                    batch,
                    partial(_loss, view, table, chosen, weights, options.affect),
                    one_cycle(done / steps),
                )
            )
            done += 1
        yield float(np.mean(losses))


def _loss(
    view: View,
    table: Table,
    chosen: npt.NDArray[np.integer],
    weights: Floats,
    affect: float,
    heads: Heads,
) -> Tensor:
    truth = Truth(*(column[chosen] for column in table.truth))
    loss = view.truth * loss_of(heads, truth, weights, affect)
    if view.answers is not None:
        said = Heads(*(column[chosen] for column in view.answers))
        loss = loss + taught_loss(heads, said, torch.from_numpy(truth.has), affect)
    return loss


class _Trainer:
    """Both optimizers of a network."""

    def __init__(self, net: TextNet, options: Options) -> None:
        self._net, self._options = net, options
        self._dense = [p for name, p in net.named_parameters() if not name.startswith("table")]
        self._adam = torch.optim.AdamW(self._dense, lr=options.rate, weight_decay=1e-2)
        self._rows = Rows(net.table.weight.detach())

    def step(self, batch: Batch, loss_of: Callable[[Heads], Tensor], share: float) -> float:
        """Take a step with a share of the greatest rates; returns the loss."""
        self._adam.param_groups[0]["lr"] = self._options.rate * share
        used = self._rows.table.index_select(0, batch.rows).requires_grad_()
        loss = loss_of(heads_of(self._net, batch, used, self._options.row_drop))
        self._adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # of torch
        torch.nn.utils.clip_grad_norm_(self._dense, 5.0)
        self._adam.step()
        if used.grad is not None:
            self._rows.step(batch.rows, used.grad, self._options.table_rate * share)
        return loss.item()


def one_cycle(done: float) -> float:
    """Return the share of the greatest rate: up for a tenth, then down by a cosine."""
    if done < 0.1:
        return 0.04 + 0.96 * (0.5 - 0.5 * math.cos(math.pi * done / 0.1))
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (done - 0.1) / 0.9))


class Rows:
    """Adam over the rows of a table that a step uses; the others keep their state.

    Args:
        table: (rows, width); changed in place.
    """

    def __init__(self, table: Tensor) -> None:
        self.table = table
        self._mean, self._square = torch.zeros_like(table), torch.zeros_like(table)
        self._steps = 0

    def step(self, rows: Tensor, gradient: Tensor, rate: float) -> None:
        """Take a step along a gradient (n, width) of the rows (n,); padding stays zero."""
        self._steps += 1
        rows, gradient = rows[1:], gradient[1:]
        mean = self._mean.index_select(0, rows).lerp_(gradient, 0.1)
        square = self._square.index_select(0, rows).lerp_(gradient.square_(), 0.001)
        self._mean.index_copy_(0, rows, mean)
        self._square.index_copy_(0, rows, square)
        square.div_(1 - 0.999**self._steps).sqrt_().add_(1e-8)
        self.table.index_add_(0, rows, mean.div_(square), alpha=-rate / (1 - 0.9**self._steps))


def batches(
    table: Table, options: Options, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.integer]]:
    """Yield an epoch: everything, but a part only of DailyDialog's many neutral utterances."""
    plenty = plentiful(table)
    corpora = np.array([s.corpus for s in table.sentences])
    kept = np.flatnonzero(~plenty | (rng.random(len(plenty)) < options.quiet))
    kept = rng.permutation(np.concatenate([kept, np.flatnonzero(np.isin(corpora, options.twice))]))
    length = _length(table)
    cut = [
        batch
        for many in np.array_split(kept, max(1, len(kept) // (options.batch * 24)))
        for batch in np.array_split(
            many[np.argsort(length[many])], max(1, len(many) // options.batch)
        )
    ]
    for number in rng.permutation(len(cut)):
        yield cut[number]


def heads_of(net: TextNet, batch: Batch, table: Tensor, drop: float = 0.0) -> Heads:
    """Run the network on a batch.

    Args:
        net: The network.
        batch: The sentences.
        table: (n, width) the rows that the batch uses.
        drop: Share of token rows left out in training, so that n-grams learn to stand alone.
    """
    kept = (batch.ids > 0).to(table.dtype)
    if drop:
        kept = kept * (torch.rand(kept.shape) > drop)
    count = kept.sum(-1, keepdim=True)
    total = F.embedding_bag(batch.ids, table, mode="sum", per_sample_weights=kept)
    vectors, mask = total / count.clamp(min=1.0).sqrt(), (count > 0.5).to(table.dtype)
    here, said = ((F.embedding(at, vectors), F.embedding(at, mask)) for at in batch[2:])
    return net.judge(*here, *said)


def _length(table: Table) -> npt.NDArray[np.int64]:
    """Return the order in which sentences cost alike: those with context last."""
    return np.asarray((table.words > 0).sum(1) + 1000 * (table.before > 0).any(1))


def plentiful(table: Table) -> npt.NDArray[np.bool_]:
    """Return which sentences are DailyDialog's neutral ones."""
    return np.array(
        [s.corpus == "dailydialog" and s.categories == {"neutral"} for s in table.sentences]
    )


@torch.no_grad()
def run(net: TextNet, table: Table, context: bool = True) -> Heads:
    """Run the network on all sentences."""
    net.eval()
    every = np.argsort(_length(table), kind="stable")
    parts = np.array_split(every, len(every) // 512 + 1)
    heads = []
    for part in parts:
        before = table.before[part] * context
        batch = batch_of(table.words[part], before, table.rows, net.size.rows)
        heads.append(heads_of(net, batch, net.table.weight[batch.rows]))
    back = torch.from_numpy(np.argsort(every))
    return Heads(*(torch.cat(column)[back] for column in zip(*heads, strict=True)))
