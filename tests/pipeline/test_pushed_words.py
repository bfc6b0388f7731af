"""Words that a program pushes, and what is muted, in states, recordings and replays."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_emo import EmotionState, Pipeline
from edge_emo.drivers.text.push import PushedText
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    RecordingError,
)
from edge_emo.recording import Recording
from edge_emo.types import Utterance, Word
from tests.pipeline.sessions import EEG, until


def test_pushed_words_reach_the_states() -> None:
    with Pipeline(text="push:") as pipeline:
        pipeline.push_text("what a wonderful morning, I love it")
        state = until(pipeline, lambda s: s.expressed is not None)
    assert state.by_modality["text"].model_id == "text-expression-small"
    assert state.label == "happiness"


def test_a_text_stream_is_healthy_before_its_first_line() -> None:
    with Pipeline(text="push:") as pipeline:
        state = next(iter(pipeline))
    assert state.reason == "no evidence yet"
    assert state.health["text"].ok
    assert state.health["text"].age_ns is None


def test_pushed_words_keep_who_said_them_and_when(tmp_path: Path) -> None:
    session = tmp_path / "session"
    sink = f"record:{session}?raw=true"
    with Pipeline(text="push:", sinks=[sink]) as pipeline:
        now_ns = pipeline.clock.now_ns()
        words = (Word("watch", now_ns, now_ns + 400), Word("out", now_ns + 500, now_ns + 900))
        pipeline.push_text("Get away from me!", now_ns - 100, speaker="ann")
        pipeline.push_text("watch out", speaker="ben", words=words)
        state = until(pipeline, lambda s: "text" in s.by_modality and heard(s) == now_ns)
    prediction = state.by_modality["text"]
    assert (prediction.t_ns, prediction.duration_ns) == (now_ns, 900)
    assert set(prediction.tags) == {"scores", "emotions"}
    first, second = Recording(session).chunks("text")
    assert first.utterance == Utterance("ann")
    assert second.utterance == Utterance("ben", words)
    with Pipeline.replay(session) as replayed:
        again = [s.by_modality["text"] for s in replayed if "text" in s.by_modality]
    assert again[-1].tags == prediction.tags
    assert again[-1].posterior == prediction.posterior


def test_what_was_muted_is_not_recorded_and_is_muted_in_the_replay(tmp_path: Path) -> None:
    session = tmp_path / "session"
    with Pipeline(text="push:", sinks=[f"record:{session}?raw=true"]) as pipeline:
        pipeline.mute("text", "nobody agreed")
        secret_ns = pipeline.clock.now_ns()
        pipeline.push_text("I am so afraid of him", secret_ns, speaker="ann")
        until(pipeline, lambda s: "text" in s.by_modality and heard(s) == secret_ns)
        pipeline.unmute("text")
        open_ns = pipeline.clock.now_ns() + 1_000_000_000  # the replay makes states before
        pipeline.push_text("what a wonderful morning", open_ns)
        until(pipeline, lambda s: heard(s) == open_ns)
    recording = Recording(session)
    assert [chunk.data for chunk in recording.chunks("text")] == ["", "what a wonderful morning"]
    assert [e["event"] for e in recording.events() if "modality" in e] == ["muted", "unmuted"]
    with Pipeline.replay(session) as replayed:
        said = {heard(s): s.by_modality["text"] for s in replayed if "text" in s.by_modality}
    assert said[secret_ns].abstained == "nobody agreed"
    assert said[open_ns].abstained is None


def test_a_damaged_mute_is_no_reason_to_read_on(tmp_path: Path) -> None:
    session = tmp_path / "session"
    with Pipeline(eeg=EEG, sinks=[f"record:{session}?raw=true"]) as pipeline:
        pipeline.mute("eeg", "a pause")
        until(pipeline, lambda s: "eeg" in s.by_modality)
    events = session / "events.jsonl"
    events.write_text(events.read_text("utf-8").replace('"modality": "eeg"', '"modality": "ee"'))
    replayed = Pipeline.replay(session)
    with pytest.raises(RecordingError, match="damaged"):
        replayed.open()
    with pytest.raises(ClosedError):
        replayed.open()


def heard(state: EmotionState) -> int:
    return state.by_modality["text"].t_ns


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("123 !!!", "no words"),
        ("Dzisiaj naprawdę nie mam na to ochoty", "not a language this model knows"),
    ],
)
def test_words_that_cannot_be_estimated_say_why(text: str, reason: str) -> None:
    with Pipeline(text="push:") as pipeline:
        pipeline.push_text(text)
        state = until(pipeline, lambda s: "text" in s.by_modality)
    assert state.expressed is None
    assert state.by_modality["text"].abstained is not None
    assert state.by_modality["text"].abstained.startswith(reason)


def test_pushing_without_a_push_stream_says_how() -> None:
    with Pipeline(eeg=EEG) as pipeline, pytest.raises(ConfigError) as caught:
        pipeline.push_text("hello")
    assert "push:" in caught.value.hint


def test_a_driver_can_be_given_instead_of_an_address() -> None:
    with Pipeline(text=PushedText()) as pipeline:
        assert pipeline.streams["text"].kind == "text"


def test_a_driver_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="text driver was given as the eeg"):
        Pipeline(eeg=PushedText())
