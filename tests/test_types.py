from __future__ import annotations

import numpy as np
import pytest

from edge_emo.types import (
    CATEGORIES,
    Chunk,
    EmotionState,
    Posterior,
    Prediction,
    Tags,
    Utterance,
    Word,
    abstention,
)


def test_a_posterior_is_read_by_name() -> None:
    posterior = Posterior(("rest", "load"), (0.25, 0.75))
    assert posterior["load"] == 0.75
    assert posterior.label == "load"
    assert posterior.confidence == 0.75
    assert dict(posterior) == {"rest": 0.25, "load": 0.75}
    assert "anger" not in posterior


@pytest.mark.parametrize(
    ("names", "probabilities"),
    [(("a",), (0.5, 0.5)), (("a", "b"), (1.5, -0.5)), (("a",), (float("nan"),))],
)
def test_an_impossible_posterior_is_refused(
    names: tuple[str, ...], probabilities: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        Posterior(names, probabilities)


def test_an_unknown_label_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Posterior(("a",), (1.0,))["b"]


def test_a_prediction_has_a_posterior_or_a_reason() -> None:
    with pytest.raises(ValueError, match="either"):
        Prediction("face", 0, 0, None, None, None, None, 1.0, "m", 0)
    prediction = abstention("face", 7, 3, "no face")
    assert prediction.abstained == "no face"
    assert prediction.end_ns == 10


def test_a_chunk_ends_after_its_last_sample() -> None:
    chunk = Chunk("eeg", 0, 1_000, 250.0, np.zeros((5, 8), np.float32))
    assert chunk.n_samples == 5
    assert chunk.end_ns == 1_000 + 20_000_000


def test_a_frame_is_one_sample() -> None:
    frame = Chunk("camera", 3, 0, 25.0, np.zeros((4, 6, 3), np.uint8))
    assert frame.n_samples == 1
    assert frame.end_ns == 40_000_000
    with pytest.raises(TypeError, match="no text"):
        frame.text  # noqa: B018 - the access is the test


def test_text_is_one_sample_without_a_rate() -> None:
    line = Chunk("text", 0, 5, 0.0, "good morning")
    assert (line.n_samples, line.end_ns, line.text) == (1, 5, "good morning")
    with pytest.raises(TypeError, match="not samples"):
        line.samples  # noqa: B018 - the access is the test


def test_unknown_is_not_neutral() -> None:
    state = EmotionState(0, 0, 0, None, None, None)
    assert state.label is None
    assert state.confidence is None
    assert "neutral" in CATEGORIES


def test_text_with_word_times_ends_with_its_last_word() -> None:
    words = (Word("good", 5, 9), Word("morning", 11, 30))
    assert Chunk("text", 0, 5, 0.0, "good morning", Utterance("ann", words)).end_ns == 30


def test_tags_are_present_from_their_own_threshold_on() -> None:
    tags = Tags(("joy", "relief", "pride"), (0.4, 0.1, 0.2), (0.4, 0.05, 0.3))
    assert tags.present == ("relief", "joy")


@pytest.mark.parametrize("scores", [(0.5,), (0.5, 1.5), (0.5, float("nan"))])
def test_impossible_tags_are_refused(scores: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="scores"):
        Tags(("joy", "relief"), scores, (0.5, 0.5))
