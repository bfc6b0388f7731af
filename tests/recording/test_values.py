from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_emo.errors import RecordingError
from edge_emo.recording.values import (
    info_from_json,
    info_to_json,
    prediction_from_json,
    prediction_to_json,
    state_from_json,
    state_to_json,
    utterance_from_json,
    utterance_to_json,
)
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
    abstention,
)

slow = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
unit = st.floats(0.0, 1.0)
signed = st.none() | st.floats(-1.0, 1.0)
times_ns = st.integers(-(2**70), 2**70)
posteriors = st.dictionaries(st.text(min_size=1), unit, min_size=1, max_size=7).map(
    lambda table: Posterior(tuple(table), tuple(table.values()))
)
tags = st.dictionaries(st.text(), st.tuples(unit, unit), max_size=4).map(
    lambda table: Tags(
        tuple(table), tuple(row[0] for row in table.values()), tuple(r[1] for r in table.values())
    )
)
predictions = st.builds(
    Prediction,
    modality=st.sampled_from(["face", "voice", "eeg"]),
    t_ns=times_ns,
    duration_ns=st.integers(0),
    posterior=posteriors,
    valence=signed,
    arousal=signed,
    dominance=signed,
    quality=unit,
    model_id=st.text(),
    inference_ns=st.integers(0),
    tags=st.dictionaries(st.text(), tags, max_size=2),
) | st.builds(abstention, st.just("text"), times_ns, st.integers(0), st.text(), unit)
affects = st.builds(
    Affect,
    posterior=posteriors,
    label=st.text(),
    confidence=unit,
    valence=signed,
    arousal=signed,
    dominance=signed,
    intensity=unit,
    age_ns=st.integers(0),
    entropy=st.none() | unit,
    conflict=st.none() | unit,
    coherence=st.none() | unit,
)
healths = st.builds(
    StreamHealth,
    stream=st.text(),
    alive=st.booleans(),
    rate_ok=st.booleans(),
    valid=st.booleans(),
    age_ns=st.none() | st.integers(),
    rate_hz=st.floats(0, 1e6),
    drops=st.integers(0),
    drift_ppm=st.floats(-1e3, 1e3),
    reconnects=st.integers(0),
    reason=st.text(),
)
states = st.builds(
    EmotionState,
    t_ns=times_ns,
    seq=st.integers(0),
    latency_ns=st.integers(0),
    expressed=st.none() | affects,
    felt=st.none() | affects,
    divergence=st.none() | unit,
    by_modality=st.dictionaries(st.sampled_from(["face", "eeg"]), predictions),
    health=st.dictionaries(st.sampled_from(["camera", "eeg"]), healths),
    reason=st.text(),
)


@slow
@given(predictions)
def test_predictions_come_back_exactly(prediction: Prediction) -> None:
    text = json.dumps(prediction_to_json(prediction))
    assert prediction_from_json(json.loads(text)) == prediction


@slow
@given(states)
def test_states_come_back_exactly(state: EmotionState) -> None:
    text = json.dumps(state_to_json(state))
    assert state_from_json(json.loads(text)) == state


def test_a_posterior_is_written_by_name() -> None:
    value = prediction_to_json(
        Prediction("eeg", 1, 2, Posterior(("rest", "load"), (0.1, 0.9)), None, 0.3, None, 1, "m", 4)
    )
    assert value["posterior"] == {"rest": 0.1, "load": 0.9}
    assert value["arousal"] == 0.3


def test_stream_info_comes_back() -> None:
    info = StreamInfo("eeg", 250.0, ("C3", "C4"), "uv", "a board", True)
    assert info_from_json(json.loads(json.dumps(info_to_json(info)))) == info


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rate_hz": float("nan")}, "rate_hz is nan"),
        ({"rate_hz": float("inf")}, "rate_hz is inf"),
        ({"rate_hz": -250.0}, "rate_hz is -250.0"),
        ({"channels": "C3"}, "channels are no list"),
    ],
)
def test_a_stream_that_cannot_be_is_refused(change: dict[str, object], complaint: str) -> None:
    good = info_to_json(StreamInfo("eeg", 250.0, ("C3", "C4"), "uv", "a board"))
    with pytest.raises(RecordingError, match=f"no stream: .*{complaint}"):
        info_from_json({**good, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"posterior": {"rest": 1.5}},
        {"posterior": None},
        {"posterior": [1.0]},
        {"surprise": 1},
    ],
)
def test_wrong_predictions_are_refused(change: dict[str, object]) -> None:
    good = prediction_to_json(
        Prediction("eeg", 1, 2, Posterior(("rest",), (1.0,)), None, None, None, 1.0, "m", 4)
    )
    with pytest.raises(RecordingError, match="no prediction"):
        prediction_from_json({**good, **change})


def test_a_state_of_an_older_recording_has_no_signs_of_doubt() -> None:
    side = Affect(Posterior(("rest",), (1.0,)), "rest", 1.0, None, 0.1, None, 0.0, 5, 0.2, 0.3, 0.4)
    written = state_to_json(EmotionState(0, 0, 0, None, side, None))
    for key in ("entropy", "conflict", "coherence"):
        del written["felt"][key]
    read = state_from_json(written).felt
    assert read == Affect(Posterior(("rest",), (1.0,)), "rest", 1.0, None, 0.1, None, 0.0, 5)


def test_a_state_with_something_missing_is_refused() -> None:
    with pytest.raises(RecordingError, match="no state: KeyError: 'felt'"):
        state_from_json({"expressed": None})


words = st.builds(Word, st.text(), times_ns, times_ns)
said = st.builds(Said, st.none() | st.text(), st.text())
utterances = st.builds(
    Utterance,
    st.none() | st.text(),
    st.lists(words, max_size=3).map(tuple),
    st.none() | st.lists(said, max_size=3).map(tuple),
)


@slow
@given(utterances)
def test_an_utterance_reads_back_as_it_was(utterance: Utterance) -> None:
    written = json.loads(json.dumps(utterance_to_json(utterance)))
    assert utterance_from_json(written) == utterance


def test_an_utterance_with_something_missing_is_refused() -> None:
    with pytest.raises(RecordingError, match="no utterance"):
        utterance_from_json({"speaker": None, "words": []})


def test_a_prediction_of_an_older_recording_has_no_tags() -> None:
    written = prediction_to_json(abstention("text", 0, 0, "no words"))
    assert "tags" not in written
    assert prediction_from_json(written).tags == {}
