"""What an evaluation found: one JSON object for machines, one table for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edge_emo.evaluation.intervals import Interval

KEPT = 20
"""Reasons that are kept of clips that could not be read."""


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of one model on one manifest of clips; None where the clips define none.

    Attributes:
        model: What was asked for: a package id or a modality.
        package: Id of the package that ran.
        backend: Backend that ran it.
        n: Clips that were estimated or abstained from.
        n_left_out: Clips whose label the model does not have, or of another modality.
        n_baselines: Speakers whose rest was known from clips that do not count.
        accuracy: Share of right labels; an abstention is an error.
        accuracy_answered: The same without the abstentions.
        unweighted_average_recall: Mean recall of the labels that occur.
        macro_f1: Mean F1.
        expected_calibration_error: 15 equal-width bins, of the answers given.
        abstained: Share of the n clips without an estimate.
        labels: Label names of the model.
        roc_auc: Of the second of two labels; None with more.
        confusion: Rows true, columns estimated, in the order of ``labels``.
        valence_ccc: Concordance with the reference values.
        valence_r: Pearson's r with them.
        arousal_ccc: Likewise.
        arousal_r: Likewise.
        dominance_ccc: Likewise.
        dominance_r: Likewise.
        inference_ms_p50: Median time of one run of the model, in ms.
        inference_ms_p95: Its 95th percentile.
        weighted_f1: Mean F1 of the labels, each weighted by how often it is true.
        multilabel: Of clips whose ``votes`` name all labels that apply, when the model has an
            output for such: ``output``, ``n``, ``n_left_out`` (clips with a label that it lacks),
            ``macro_f1``, ``micro_f1`` and ``f1`` by label.
        accuracy_interval: Lower and upper end of its 95 % interval, by bootstrap.
        unweighted_average_recall_interval: Likewise.
        macro_f1_interval: Likewise.
        interval_over: What was drawn for them: speakers where all are known and there are two or
            more, else clips.
        among: The only labels that counted as answers, where not all did.
        n_unread: Clips that could not be read; they count nowhere else.
        unread: Why, of the first of them, with clip and file.
    """

    model: str
    package: str
    backend: str
    n: int
    n_left_out: int
    n_baselines: int
    accuracy: float | None
    accuracy_answered: float | None
    unweighted_average_recall: float | None
    macro_f1: float | None
    expected_calibration_error: float | None
    abstained: float
    labels: tuple[str, ...]
    roc_auc: float | None
    confusion: tuple[tuple[int, ...], ...]
    valence_ccc: float | None
    valence_r: float | None
    arousal_ccc: float | None
    arousal_r: float | None
    dominance_ccc: float | None
    dominance_r: float | None
    inference_ms_p50: float | None
    inference_ms_p95: float | None
    weighted_f1: float | None = None
    multilabel: Mapping[str, Any] | None = None
    accuracy_interval: Interval | None = None
    unweighted_average_recall_interval: Interval | None = None
    macro_f1_interval: Interval | None = None
    interval_over: str | None = None
    among: tuple[str, ...] | None = None
    n_unread: int = 0
    unread: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return one JSON object: every attribute by its name, in the order above."""
        return asdict(self)

    def table(self) -> str:
        """Return the figures as lines of text, the confusion matrix last."""
        plain = {key: value for key, value in self.to_json().items() if key not in _MATRIX}
        lines = [f"{key:<36}{_words(value)}" for key, value in plain.items() if value is not None]
        return "\n".join([*lines, *self._multilabel(), "", *self._matrix()])

    def _multilabel(self) -> list[str]:
        if self.multilabel is None:
            return []
        plain = {key: value for key, value in self.multilabel.items() if key != "f1"}
        rows = {f"multilabel {key}": value for key, value in plain.items()}
        rows |= {f"  f1 {name}": value for name, value in self.multilabel["f1"].items()}
        return [f"{key:<36}{_words(value)}" for key, value in rows.items()]

    def _matrix(self) -> list[str]:
        width = max(len(_CORNER), *map(len, self.labels)) + 2
        columns = [max(len(name), 6) + 2 for name in self.labels]
        header = "".join(f"{name:>{w}}" for name, w in zip(self.labels, columns, strict=True))
        lines = [_CORNER.ljust(width) + header]
        for name, row in zip(self.labels, self.confusion, strict=True):
            cells = "".join(f"{count:>{w}}" for count, w in zip(row, columns, strict=True))
            lines.append(f"{name:<{width}}{cells}")
        return lines


_CORNER = "true / estimated"
_MATRIX = ("labels", "confusion", "multilabel", "unread")


def _words(value: float | str | Interval | tuple[str, ...]) -> str:
    if isinstance(value, tuple) and isinstance(value[0], str):
        return ", ".join(map(str, value))
    if isinstance(value, tuple):
        return f"{value[0]:.3f} … {value[1]:.3f}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
