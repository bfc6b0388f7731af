"""Logistic regression on features of a person, without and with a baseline of that person.

Common to EEG and to body signals: the table of windows, the fit, the network that is exported,
and cross-validation by subject with the strength of the penalty chosen inside each fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge_emo.estimators.calibration import fit_temperature
from edge_emo.evaluation.metrics import roc_auc

Array = npt.NDArray[np.float64]
LIMIT = 3.0  # a standardised value beyond it is an artefact, not evidence
STRENGTHS = (3.0, 10.0, 30.0, 100.0)
"""Inverse penalties to choose from."""

Pair = tuple[float, float]
"""One number for the stranger's regression, one for the known person's."""


@dataclass(frozen=True)
class Table:
    """Windows of features, the first axis of each field.

    Attributes:
        values: (n, features), 0 where unknown.
        mask: (n, features), 1 where known.
        rest: (n, features): the subject's baseline.
        rest_mask: (n, features), 1 where known.
        label: (n,) 0 or 1.
        subject: (n,).
        part: (n,) number of the recording or period that the window is from.
        full: (n,) whether the window is as long as the estimator's become; shorter ones only
            make the model serve the first seconds and short clips.
    """

    values: Array
    mask: Array
    rest: Array
    rest_mask: Array
    label: npt.NDArray[np.int64]
    subject: npt.NDArray[np.int64]
    part: npt.NDArray[np.int64]
    full: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: npt.NDArray[np.generic]) -> Table:
        """Return some of the windows."""
        return Table(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @property
    def rows(self) -> npt.NDArray[np.float32]:
        """(n, 4 · features): what the network reads."""
        parts = [self.values, self.mask, self.rest, self.rest_mask]
        return np.concatenate(parts, axis=1).astype(np.float32)

    @property
    def weights(self) -> Array:
        """(n,): each subject counts alike, and each label of a subject."""
        _, group, count = np.unique(
            self.subject * 2 + self.label, return_inverse=True, return_counts=True
        )
        return 1.0 / count[group]


def joined(tables: Sequence[Table]) -> Table:
    """Return all windows of several tables."""
    names = Table.__dataclass_fields__
    return Table(*(np.concatenate([getattr(one, name) for one in tables]) for name in names))


class PersonalNet(nn.Module):
    """Two logistic regressions: one for strangers, one for a person whose rest is known.

    The second may start from the first: its penalty is then on what it changes.

    Args:
        features: Number of features.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        for name in ("mean", "scale", "shift", "stretch"):
            self.register_buffer(name, torch.zeros(features))
        self.stranger = nn.Linear(features, 1)
        self.known = nn.Linear(2 * features, 1)

    def standard(self, row: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return standardised values, their distance to rest, and whether rest is known."""
        values, mask, rest, rest_mask = row.chunk(4, dim=1)
        both = mask * rest_mask
        absolute = ((values - self.mean) * self.scale * mask).clamp(-LIMIT, LIMIT)
        relative = ((values - rest - self.shift) * self.stretch * both).clamp(-LIMIT, LIMIT)
        return absolute, relative, rest_mask.amax(dim=1, keepdim=True)

    def forward(self, row: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, 2) of rows (batch, 4 · features)."""
        absolute, relative, is_known = self.standard(row)
        person = self.known(torch.cat([absolute, relative], dim=1))
        evidence = is_known * person + (1.0 - is_known) * self.stranger(absolute)
        return torch.cat([-0.5 * evidence, 0.5 * evidence], dim=1)


@dataclass(frozen=True)
class Setup:
    """How the regressions are fitted.

    Attributes:
        strengths: Inverse penalty of each.
        from_stranger: The penalty of the second is on its distance to the first.
    """

    strengths: Pair
    from_stranger: bool = False


def fit_net(table: Table, setup: Setup, only_personal: Sequence[int] = ()) -> PersonalNet:
    """Fit both regressions.

    Args:
        table: Windows to train on.
        setup: How.
        only_personal: Features that count relative to rest only.
    """
    weights = table.weights
    net = PersonalNet(table.values.shape[1])
    mean, scale = _moments(table.values, table.mask, weights)
    scale[list(only_personal)] = 0.0
    both = table.mask * table.rest_mask
    shift, stretch = _moments(table.values - table.rest, both, weights)
    with torch.no_grad():
        for name, value in (("mean", mean), ("scale", scale), ("shift", shift),
                            ("stretch", stretch)):  # fmt: skip
            getattr(net, name).copy_(torch.from_numpy(value))
        absolute, relative, known = net.standard(torch.from_numpy(table.rows))
    told = known.numpy()[:, 0] > 0
    x = absolute.numpy().astype(np.float64)
    stranger = regression(x, table.label, weights, setup.strengths[0])
    _set(net.stranger, stranger)
    start = np.concatenate([stranger[:-1], np.zeros(relative.shape[1]), stranger[-1:]])
    start *= setup.from_stranger
    x = np.concatenate([x, relative.numpy()], axis=1)[told]
    if len(x):
        _set(net.known, regression(x, table.label[told], weights[told], setup.strengths[1], start))
    return net.eval()


def regression(
    x: Array,
    label: npt.NDArray[np.int64],
    weights: Array,
    strength: float,
    start: Array | None = None,
) -> Array:
    """Return weights and bias of a logistic regression with a squared penalty (Newton's method).

    Args:
        x: (n, features).
        label: (n,) 0 or 1.
        weights: (n,).
        strength: Inverse penalty on the weights, none on the bias.
        start: (features + 1,): what the penalty pulls towards; 0 without it.
    """
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    share = weights / weights.sum()
    penalty = np.full(x.shape[1], 1.0 / strength)
    penalty[-1] = 1e-6
    start = np.zeros(x.shape[1]) if start is None else start
    answer, rows = start.copy(), x.astype(np.float32)
    for _ in range(50):
        chance = 1.0 / (1.0 + np.exp(-np.clip(x @ answer, -30.0, 30.0)))
        slope = x.T @ (share * (chance - label)) + penalty * (answer - start)
        root = np.sqrt(share * chance * (1.0 - chance)).astype(np.float32)
        bend = (rows * root[:, None]).T @ (rows * root[:, None]) + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        answer -= step
        if np.abs(step).max() < 1e-7:
            break
    return answer


def sharpen(net: PersonalNet, stranger: float, known: float) -> PersonalNet:
    """Divide the evidence of each regression by its own temperature."""
    with torch.no_grad():
        for layer, temperature in ((net.stranger, stranger), (net.known, known)):
            layer.weight /= temperature
            layer.bias /= temperature
    return net


def evidence(net: PersonalNet, table: Table, *, told: bool) -> Array:
    """Return log odds of label 1, (n,), with or without the baseline."""
    rows = torch.from_numpy(table.rows)
    if not told:
        rows[:, rows.shape[1] // 2 :] = 0.0
    with torch.no_grad():
        logits = net(rows).numpy().astype(np.float64)
    return np.asarray(logits[:, 1] - logits[:, 0])


def folds(subjects: npt.NDArray[np.int64], count: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Return the subjects of each fold."""
    shuffled = np.random.default_rng(seed).permutation(np.unique(subjects))
    return [shuffled[i::count] for i in range(count)]


@dataclass(frozen=True)
class Choice:
    """What training data alone say of a setup.

    Attributes:
        setup: That with the best out-of-fold areas.
        temperatures: Of the evidence without and with a baseline.
        recall: Balanced recall of full windows out of fold, with and without averaged.
    """

    setup: Setup
    temperatures: Pair
    recall: float

    @property
    def words(self) -> dict[str, str]:
        """The choice in words, for the card."""
        known = "from the stranger's" if self.setup.from_stranger else "from nothing"
        return {
            "inverse penalties without and with baseline": _listed(self.setup.strengths, "g"),
            "regression with baseline starts": known,
            "temperatures without and with baseline": _listed(self.temperatures, ".3f"),
        }


def choose(
    train: Table,
    only_personal: Sequence[int],
    count: int,
    seed: int,
    strengths: Sequence[float] = STRENGTHS,
    *,
    by_part: bool = False,
) -> Setup:
    """Choose how to fit each regression by folds over subjects, the stranger's first.

    Args:
        train: Windows that the choice may see.
        only_personal: See :func:`fit_net`.
        count: Folds.
        seed: Of the folds.
        strengths: To choose from.
        by_part: The best is that which tells whole parts apart, not windows.
    """

    def best(table: Table, setups: Sequence[Setup], row: int) -> Setup:
        answers = [out_of_fold(table, one, only_personal, count, seed)[row] for one in setups]
        areas = [(part_area(train, one) if by_part else area(one, train.label)) for one in answers]
        return setups[int(np.argmax(areas))]

    unknown = replace(train, rest_mask=np.zeros_like(train.rest_mask))
    stranger = best(unknown, [Setup((one, one)) for one in strengths], 0).strengths[0]
    known = [Setup((stranger, one), start) for one in strengths for start in (False, True)]
    return best(train, known, 1)


def temper(
    train: Table, setup: Setup, only_personal: Sequence[int], count: int, seed: int
) -> Choice:
    """Fit one temperature without and one with a baseline, by folds over subjects.

    Each is fitted in the condition that it serves: on full windows, as often as they come, of
    subjects that the net has not seen. More folds come nearer to the net that sees all.

    Args:
        train: Windows that the choice may see.
        setup: How the net is fitted.
        only_personal: See :func:`fit_net`.
        count: Folds.
        seed: Of the folds.
    """
    scores = out_of_fold(train, setup, only_personal, count, seed)[:, train.full]
    label = train.label[train.full]
    stranger, known = (
        fit_temperature(np.stack([-row / 2.0, row / 2.0], axis=1), label) for row in scores
    )
    recall = float(np.mean([balanced(row, label) for row in scores]))
    return Choice(setup, (stranger, known), recall)


def train_net(table: Table, choice: Choice, only_personal: Sequence[int]) -> PersonalNet:
    """Fit as chosen, and divide by the temperatures."""
    return sharpen(fit_net(table, choice.setup, only_personal), *choice.temperatures)


def out_of_fold(
    table: Table, setup: Setup, only_personal: Sequence[int], count: int, seed: int
) -> Array:
    """Return log odds of windows by nets that did not see their subjects.

    Returns:
        (2, n): without and with the baseline.
    """
    scores = np.zeros((2, len(table)))
    for out in folds(table.subject, count, seed):
        is_out = np.isin(table.subject, out)
        net = fit_net(table.take(~is_out), setup, only_personal)
        for told in (False, True):
            scores[int(told), is_out] = evidence(net, table.take(is_out), told=told)
    return scores


def _listed(numbers: Sequence[float], form: str) -> str:
    return ", ".join(format(one, form) for one in numbers)


def area(score: Array, label: npt.NDArray[np.int64]) -> float:
    """Return the area under the ROC curve."""
    value = roc_auc(score, label == 1)
    return 0.5 if value is None else value


def balanced(score: Array, label: npt.NDArray[np.int64]) -> float:
    """Return the mean recall of both labels at even odds."""
    return float(((score[label == 1] > 0).mean() + (score[label == 0] <= 0).mean()) / 2)


def parts(table: Table, score: Array) -> tuple[Array, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return mean score, label and subject of each recording or period."""
    keys, first, group = np.unique(
        np.stack([table.subject, table.part], axis=1),
        axis=0, return_index=True, return_inverse=True,
    )  # fmt: skip
    group = group.reshape(-1)
    means = np.bincount(group, score) / np.bincount(group)
    return means, table.label[first], keys[:, 0]


def part_area(table: Table, score: Array) -> float:
    """Return the area of the mean posterior of each part, which is what a clip of it gets."""
    mean, label, _ = parts(table, 1.0 / (1.0 + np.exp(-score)))
    return area(mean, label)


def interval(
    figure: Callable[[Array, npt.NDArray[np.int64]], float],
    score: Array,
    label: npt.NDArray[np.int64],
    subject: npt.NDArray[np.int64],
    draws: int = 1000,
) -> tuple[float, float]:
    """Return the 95 % interval of a figure by drawing subjects with replacement."""
    random = np.random.default_rng(0)
    rows = [np.flatnonzero(subject == one) for one in np.unique(subject)]
    found = []
    for _ in range(draws):
        drawn = np.concatenate([rows[i] for i in random.integers(len(rows), size=len(rows))])
        if 0 < label[drawn].sum() < len(drawn):
            found.append(figure(score[drawn], label[drawn]))
    low, high = np.percentile(found, (2.5, 97.5))
    return round(float(low), 3), round(float(high), 3)


def by_luck(
    figure: Callable[[Array, npt.NDArray[np.int64]], float],
    score: Array,
    label: npt.NDArray[np.int64],
    subject: npt.NDArray[np.int64],
    recording: npt.NDArray[np.int64] | None = None,
    draws: int = 2000,
) -> float:
    """Return the share of permutations within subjects that score as well.

    Args:
        figure: What is tested, of scores and labels.
        score: (n,).
        label: (n,), the same in all rows of a recording.
        subject: (n,).
        recording: (n,): rows of one are alike, so that their labels go together. None where each
            row is a recording of its own.
        draws: How many permutations.
    """
    random = np.random.default_rng(0)
    rows_of = np.arange(len(label)) if recording is None else recording
    _, first, place = np.unique(rows_of, return_index=True, return_inverse=True)
    told, owner = label[first], subject[first]
    rows = [np.flatnonzero(owner == one) for one in np.unique(owner)]
    reached, better = figure(score, label), 0
    for _ in range(draws):
        shuffled = told.copy()
        for own in rows:
            shuffled[own] = told[random.permutation(own)]
        better += figure(score, shuffled[place]) >= reached
    return (better + 1) / (draws + 1)


def _moments(values: Array, mask: Array, weights: Array) -> tuple[Array, Array]:
    """Return weighted mean and inverse deviation of the known values."""
    share = mask * weights[:, None]
    total = np.maximum(share.sum(axis=0), 1e-9)
    mean = (values * share).sum(axis=0) / total
    variance = ((values - mean) ** 2 * share).sum(axis=0) / total
    return mean, 1.0 / np.maximum(np.sqrt(variance), 1e-3)


def _set(layer: nn.Linear, answer: Array) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(answer[None, :-1]))
        layer.bias.copy_(torch.from_numpy(answer[-1:]))
