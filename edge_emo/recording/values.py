"""Predictions and states as JSON objects, and back without losing a bit.

The objects hold only what ``json`` writes; its numbers are the shortest that read back as the
same float.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from edge_emo.errors import RecordingError
from edge_emo.types import (
    Affect,
    EmotionState,
    Posterior,
    Prediction,
    Said,
    StreamHealth,
    StreamInfo,
    Tags,
    Utterance,
    Word,
)

_MAY_LACK = ("channels", "tags")


def prediction_to_json(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as an object; its posterior maps names to probabilities.

    ``channels`` and ``tags`` are left out where there are none.
    """
    row = _fields(prediction) | {
        "posterior": _posterior(prediction.posterior),
        "tags": {name: _tags_to_json(tags) for name, tags in prediction.tags.items()},
    }
    return {key: value for key, value in row.items() if value or key not in _MAY_LACK}


def prediction_from_json(value: Mapping[str, Any]) -> Prediction:
    """Return the prediction that :func:`prediction_to_json` wrote.

    Raises:
        RecordingError: Something is missing or wrong.
    """
    with _reading("prediction"):
        return _prediction(value)


def state_to_json(state: EmotionState) -> dict[str, Any]:
    """Return a state as an object, with everything that it is made of."""
    return _fields(state) | {
        "expressed": _affect_to_json(state.expressed),
        "felt": _affect_to_json(state.felt),
        "by_modality": {
            modality: prediction_to_json(prediction)
            for modality, prediction in state.by_modality.items()
        },
        "health": {name: _fields(health) for name, health in state.health.items()},
    }


def state_from_json(value: Mapping[str, Any]) -> EmotionState:
    """Return the state that :func:`state_to_json` wrote.

    Raises:
        RecordingError: Something is missing or wrong.
    """
    with _reading("state"):
        return _state(value)


def utterance_to_json(utterance: Utterance) -> dict[str, Any]:
    """Return what is known of a line of text as an object."""
    return dataclasses.asdict(utterance)


def utterance_from_json(value: Mapping[str, Any]) -> Utterance:
    """Return the value that :func:`utterance_to_json` wrote.

    Raises:
        RecordingError: Something is missing or wrong.
    """
    with _reading("utterance"):
        before = value["before"]
        return Utterance(
            value["speaker"],
            tuple(Word(**word) for word in value["words"]),
            None if before is None else tuple(Said(**said) for said in before),
        )


def info_to_json(info: StreamInfo) -> dict[str, Any]:
    """Return a stream's description as an object."""
    return _fields(info) | {"channels": list(info.channels)}


def info_from_json(value: Mapping[str, Any]) -> StreamInfo:
    """Return the description that :func:`info_to_json` wrote.

    Raises:
        RecordingError: Something is missing or wrong.
    """
    with _reading("stream"):
        if not isinstance(value["channels"], list):
            raise TypeError("channels are no list")
        channels = tuple(str(name) for name in value["channels"])
        return StreamInfo(**{**value, "channels": channels, "rate_hz": _rate_hz(value)})


def _rate_hz(value: Mapping[str, Any]) -> float:
    rate_hz = float(value["rate_hz"])
    if not 0.0 <= rate_hz < math.inf:
        raise ValueError(f"rate_hz is {rate_hz}")
    return rate_hz


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Raise a RecordingError where something of ``what`` is missing or wrong."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordingError(f"no {what}: {type(error).__name__}: {error}") from error


def _fields(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, one level deep."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _posterior(posterior: Posterior | None) -> dict[str, float] | None:
    return None if posterior is None else dict(posterior)


def _posterior_from(value: Mapping[str, float]) -> Posterior:
    return Posterior(tuple(value), tuple(float(p) for p in value.values()))


def _affect_to_json(affect: Affect | None) -> dict[str, Any] | None:
    if affect is None:
        return None
    return _fields(affect) | {"posterior": _posterior(affect.posterior)}


def _affect_from(value: Mapping[str, Any] | None) -> Affect | None:
    if value is None:
        return None
    return Affect(**{**value, "posterior": _posterior_from(value["posterior"])})


def _prediction(value: Mapping[str, Any]) -> Prediction:
    posterior = value["posterior"]
    built = {
        "posterior": None if posterior is None else _posterior_from(posterior),
        "tags": {name: _tags_from(tags) for name, tags in value.get("tags", {}).items()},
    }
    return Prediction(**{**value, **built})


def _tags_to_json(tags: Tags) -> dict[str, list[float]]:
    """Return score and threshold of each label by its name."""
    rows = zip(tags.names, tags.scores, tags.thresholds, strict=True)
    return {name: [score, threshold] for name, score, threshold in rows}


def _tags_from(value: Mapping[str, list[float]]) -> Tags:
    scores, thresholds = (tuple(row[place] for row in value.values()) for place in (0, 1))
    return Tags(tuple(value), scores, thresholds)


def _state(value: Mapping[str, Any]) -> EmotionState:
    built = {
        "expressed": _affect_from(value["expressed"]),
        "felt": _affect_from(value["felt"]),
        "by_modality": {key: _prediction(part) for key, part in value["by_modality"].items()},
        "health": {key: StreamHealth(**part) for key, part in value["health"].items()},
    }
    return EmotionState(**{**value, **built})
