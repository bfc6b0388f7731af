"""The network of the text model: hashed rows → token vectors → convolution → four heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Size:
    """Widths of the network.

    Attributes:
        rows: Of the table.
        width: Of a row, and of a token.
        filters: Channels of each convolution.
        hidden: Of the layer before the heads.
        drop: Dropout in training.
        context: Tokens of what was said before.
        recurrent: Whether a recurrent layer stands in place of the convolution.
    """

    rows: int
    width: int = 48
    filters: int = 96
    hidden: int = 128
    drop: float = 0.3
    context: int = 32
    recurrent: bool = False


class Heads(NamedTuple):
    """What the network says of a batch.

    Attributes:
        logits: (n, 7) of the categories' distribution.
        scores: (n, 7) of each category by itself.
        emotions: (n, 28) of each label of GoEmotions by itself.
        affect: (n, 3) valence, arousal, dominance in units of :data:`AFFECT_SCALE`.
    """

    logits: Tensor
    scores: Tensor
    emotions: Tensor
    affect: Tensor


AFFECT_SCALE = 0.15
"""Spread of EmoBank's values, which the network learns in units of one."""


class TextNet(nn.Module):
    """Reads a sentence and the utterances before it.

    Args:
        size: Its widths.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.table = nn.Embedding(size.rows, size.width, padding_idx=0)
        nn.init.normal_(self.table.weight, std=0.1)
        with torch.no_grad():
            self.table.weight[0] = 0.0
        self.conv = _Recurrent(size) if size.recurrent else _Convolution(size)
        self.gate = nn.Linear(size.width, 1)
        self.recent = nn.Linear(size.width, 1)
        self.place = nn.Parameter(torch.zeros(size.context, 1))
        pooled = size.filters + 2 * size.width
        self.body = nn.Linear(pooled, size.hidden)
        self.context = nn.Linear(pooled, size.hidden)
        self.heads = nn.Linear(size.hidden, 7 + 7 + 28 + 3)
        self.direct = nn.Linear(pooled, 7 + 7 + 28 + 3)
        self.feel = nn.Linear(7 + 28, 3)
        self.drop = nn.Dropout(size.drop)

    def forward(self, ids: Tensor, before: Tensor) -> Heads:
        """Run on rows as ``features.text.sentence_rows`` gives them.

        Args:
            ids: (n, words, ids) int32, of the sentence.
            before: The same of what was said before; zeros when nothing was.
        """
        return self.judge(*self.tokens(ids), *self.tokens(before))

    def tokens(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors of tokens (n, words, width) and a mask (n, words, 1)."""
        count = (ids > 0).float().sum(-1, keepdim=True)
        total = self.rows(ids).sum(-2)
        return total / (count + (count < 0.5).float()).sqrt(), (count > 0.5).float()

    def rows(self, ids: Tensor) -> Tensor:
        """Return the rows of the table."""
        return self.table(ids)

    def judge(self, words: Tensor, mask: Tensor, before: Tensor, before_mask: Tensor) -> Heads:
        """Run on token vectors; those of the context end at its last place."""
        place = self.place[self.place.shape[0] - before.shape[1] :]
        pooled = self.pool(words, mask, self.gate(words))
        said = self.pool(before, before_mask, self.recent(before) + place)
        some = before_mask.amax(1)
        hidden = F.relu(self.body(pooled) + some * self.context(said))
        values = self.heads(self.drop(hidden)) + self.direct(pooled)
        logits, scores, emotions, affect = values.split((7, 7, 28, 3), -1)
        known = torch.cat([scores, emotions], -1).sigmoid()
        return Heads(logits, scores, emotions, affect + self.feel(known))

    def pool(self, words: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
        """Return the strongest answers of the filters, sum / √n of the tokens, a weighted mean."""
        words = self.drop(words) * mask
        found = self.conv(words, mask)
        total = words.sum(1) / mask.sum(1).clamp(min=1.0).sqrt()
        share = torch.softmax(weight - 30.0 * (1.0 - mask), 1)
        return self.drop(torch.cat([found.amax(1), total, (words * share).sum(1)], -1))


class _Convolution(nn.Module):
    """Reads each token with three on either side: (n, words, width) → (n, words, filters)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.near = nn.Conv1d(size.width, size.filters, 3, padding=1)
        self.far = nn.Conv1d(size.filters, size.filters, 3, padding=2, dilation=2)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        mask = mask.transpose(1, 2)
        near = F.relu(self.near(words.transpose(1, 2))) * mask
        return ((near + F.relu(self.far(near))) * mask).transpose(1, 2)


class _Recurrent(nn.GRU):
    """Reads each token after those before it, and before those after it; for teachers only."""

    def __init__(self, size: Size) -> None:
        super().__init__(size.width, size.filters // 2, batch_first=True, bidirectional=True)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]  # stateless
        found: Tensor = super().forward(words)[0]
        return found * mask


def int8_of(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return a table as int8 steps, and the size of a step in each column."""
    scale = weight.abs().amax(0).clamp(min=1e-6) / 127.0
    return torch.round(weight / scale).to(torch.int8), scale


class Exported(nn.Module):
    """The network as it is exported: int8 rows, dimensions in −1 … +1.

    Args:
        net: Trained.
        lift: (7,) what is added to the logits of a line that something was said before.
    """

    def __init__(self, net: TextNet, lift: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("lift", lift)
        steps, scale = int8_of(net.table.weight.detach())
        self.register_buffer("table", steps)
        self.register_buffer("scale", scale)
        net.table = nn.Embedding(1, 1)  # its rows are in the int8 table now
        net.rows = self.rows  # type: ignore[method-assign]  # the one place that reads rows

    def rows(self, ids: Tensor) -> Tensor:
        """Return the rows of the int8 table in its own units."""
        flat = torch.index_select(self.table, 0, ids.reshape(-1))
        return flat.reshape(*ids.shape, -1).float()

    def forward(self, ids: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        """Return logits, scores, emotions and affect, the middle two as probabilities."""
        words, mask = self.net.tokens(ids)
        said, said_mask = self.net.tokens(before)
        heads = self.net.judge(words * self.scale, mask, said * self.scale, said_mask)
        affect = torch.clamp(heads.affect * AFFECT_SCALE, -1.0, 1.0)
        logits = heads.logits + said_mask.amax(1) * self.lift
        return logits, heads.scores.sigmoid(), heads.emotions.sigmoid(), affect
