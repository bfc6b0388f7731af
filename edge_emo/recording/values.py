"""Predictions and states as JSON objects, and back without losing a bit.

The objects hold only what ``json`` writes; its numbers are the shortest that read back as the
same float.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edge_emo.errors import RecordingError
from edge_emo.types import Affect, EmotionState, Posterior, Prediction, StreamHealth, StreamInfo


def prediction_to_json(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as an object; its posterior maps names to probabilities.

    ``channels`` is left out where there is none.
    """
    row = _fields(prediction) | {"posterior": _posterior(prediction.posterior)}
    if not prediction.channels:
        del row["channels"]
    return row


def prediction_from_json(value: Mapping[str, Any]) -> Prediction:
    """Return the prediction that :func:`prediction_to_json` wrote.

    Raises:
        RecordingError: Something is missing or wrong.
    """
    try:
        return _prediction(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no("prediction", error) from error


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
    try:
        return _state(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no("state", error) from error


def info_to_json(info: StreamInfo) -> dict[str, Any]:
    """Return a stream's description as an object."""
    return _fields(info) | {"channels": list(info.channels)}


def info_from_json(value: Mapping[str, Any]) -> StreamInfo:
    """Return the description that :func:`info_to_json` wrote.

    Raises:
        RecordingError: Something is missing or wrong.
    """
    try:
        channels = tuple(str(name) for name in value["channels"])
        return StreamInfo(**{**value, "channels": channels, "rate_hz": float(value["rate_hz"])})
    except (KeyError, TypeError, ValueError) as error:
        raise _no("stream", error) from error


def _no(what: str, error: Exception) -> RecordingError:
    return RecordingError(f"no {what}: {type(error).__name__}: {error}")


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
    return Prediction(
        **{**value, "posterior": None if posterior is None else _posterior_from(posterior)}
    )


def _state(value: Mapping[str, Any]) -> EmotionState:
    built = {
        "expressed": _affect_from(value["expressed"]),
        "felt": _affect_from(value["felt"]),
        "by_modality": {key: _prediction(part) for key, part in value["by_modality"].items()},
        "health": {key: StreamHealth(**part) for key, part in value["health"].items()},
    }
    return EmotionState(**{**value, **built})
