"""Answers as if a model knew some of its categories only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from edge_emo.datasets.clips import Clip
from edge_emo.errors import DatasetError
from edge_emo.manifest import ModelPackage
from edge_emo.types import Posterior

if TYPE_CHECKING:
    from edge_emo.evaluation.evaluate import Outcome

LEAST = 2
"""With one label every answer is right."""


def among(outcomes: Sequence[Outcome], labels: Sequence[str]) -> list[Outcome]:
    """Return outcomes whose posteriors hold some labels only; the share of the others is dropped.

    Args:
        outcomes: Of a model that knows these labels and others.
        labels: Those that may be answered, two or more.
    """
    return [_restricted(one, labels) for one in outcomes]


def choices(package: ModelPackage, clips: Iterable[Clip]) -> tuple[str, ...]:
    """Return the labels of a package that are true of a clip, in its order.

    Raises:
        DatasetError: Fewer than two are.
    """
    true = {clip.label for clip in clips if clip.modality == package.modality}
    found = tuple(label for label in package.labels if label in true)
    if len(found) < LEAST:
        raise DatasetError(
            f"the clips have {len(found)} of the labels of {package.id}, too few to choose among",
            hint="leave out --among-present, or take clips with two labels or more",
        )
    return found


def _restricted(outcome: Outcome, labels: Sequence[str]) -> Outcome:
    posterior = outcome.prediction.posterior
    if posterior is None or not (total := sum(posterior[label] for label in labels)):
        return outcome
    shares = tuple(min(1.0, posterior[label] / total) for label in labels)
    restricted = Posterior(tuple(labels), shares)
    prediction = dataclasses.replace(outcome.prediction, posterior=restricted)
    return dataclasses.replace(outcome, prediction=prediction)
