"""Answers as if a model knew some of its categories only."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_emo.types import Posterior

if TYPE_CHECKING:
    from edge_emo.evaluation.evaluate import Outcome


def among(outcomes: Sequence[Outcome], labels: Sequence[str]) -> list[Outcome]:
    """Return outcomes whose posteriors hold some labels only; the share of the others is dropped.

    Args:
        outcomes: Of a model that knows these labels and others.
        labels: Those that may be answered, two or more.
    """
    return [_restricted(one, labels) for one in outcomes]


def present(outcomes: Sequence[Outcome], labels: Sequence[str]) -> tuple[str, ...]:
    """Return those labels that are true of a clip, in the order given."""
    true = {one.clip.label for one in outcomes}
    return tuple(label for label in labels if label in true)


def _restricted(outcome: Outcome, labels: Sequence[str]) -> Outcome:
    posterior = outcome.prediction.posterior
    if posterior is None or not (total := sum(posterior[label] for label in labels)):
        return outcome
    shares = tuple(min(1.0, posterior[label] / total) for label in labels)
    restricted = Posterior(tuple(labels), shares)
    prediction = dataclasses.replace(outcome.prediction, posterior=restricted)
    return dataclasses.replace(outcome, prediction=prediction)
