"""The text estimator: what it reads, what it remembers, and when it abstains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.clock import ManualClock
from edge_emo.errors import ClosedError, ConfigError, ModelError
from edge_emo.estimators.text import TextEstimator
from edge_emo.features.text import MAX_LETTERS, TextSpec, context_rows, sentence_rows, tokens
from edge_emo.manifest import ModelPackage
from edge_emo.runtime.base import LoadedModel
from edge_emo.types import CATEGORIES, Chunk, Said, StreamInfo, Utterance, Word
from tests.fakes.manifests import absent_file, estimator_manifest, package_in, tensor

SPEC = TextSpec(words=10, context=9, ids=8, word_rows=500, gram_rows=500, least=3, most=5)
INFO = StreamInfo("text", 0.0, (), "text", "lines")
SECOND_NS = 1_000_000_000

MANIFEST = estimator_manifest(
    "counts",
    "text",
    files=[absent_file(precision="int8")],
    inputs=[
        tensor("words", (1, 10, 8), "NTI", "int32"),
        tensor("before", (1, 9, 8), "NTI", "int32"),
    ],
    outputs=[
        tensor("logits", (1, 7), "NC", labels=CATEGORIES),
        tensor("emotions", (1, 2), "NC", labels=("pride", "relief")),
        tensor("affect", (1, 3), "NC", labels=("valence", "arousal", "dominance")),
    ],
    features={
        **dataclasses.asdict(SPEC),
        "context_s": 30.0,
        "languages": ["en"],
        "emoji": ["😂", ":)"],
        "thresholds": {"emotions": {"pride": 0.4, "relief": 0.2}},
    },
    dimensions={"source": "model"},
)


class Echo(LoadedModel):
    """Runs in 2 ms and keeps what it was given; fear grows with the tokens of the context."""

    backend = "test"

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.seen: list[Mapping[str, npt.NDArray[Any]]] = []
        self.closed = False

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
        self._clock.advance(0.002)
        self.seen.append(dict(inputs))
        logits = np.zeros((1, 7), np.float32)
        logits[0, CATEGORIES.index("fear")] = (inputs["before"][0, :, 0] > 0).sum()
        return {
            "logits": logits,
            "emotions": np.array([[0.3, 0.9]], np.float32),
            "affect": np.array([[0.25, -2.0, 0.5]], np.float32),
        }

    def close(self) -> None:
        self.closed = True


def make(folder: Path, model: Echo, text: str = MANIFEST) -> TextEstimator:
    return TextEstimator(package_in(folder / "counts", text), model, model._clock)


@pytest.fixture
def model() -> Echo:
    return Echo(ManualClock())


@pytest.fixture
def estimator(tmp_path: Path, model: Echo) -> TextEstimator:
    estimator = make(tmp_path, model)
    estimator.start(INFO)
    return estimator


def line(text: str, at_s: float = 0.0, utterance: Utterance | None = None) -> Chunk:
    return Chunk("text", 0, round(at_s * SECOND_NS), 0.0, text, utterance)


def reason(estimator: TextEstimator, text: str) -> str | None:
    (features,) = estimator.features(line(text))
    return estimator.predict(features).abstained


def test_a_sentence_gets_categories_tags_and_dimensions(estimator: TextEstimator) -> None:
    (features,) = estimator.features(line("we finally made it home", at_s=3))
    prediction = estimator.predict(features)
    assert prediction.posterior is not None
    assert prediction.posterior.names == CATEGORIES
    tags = prediction.tags["emotions"]
    assert tags.names == ("pride", "relief")
    assert tags.scores == pytest.approx((0.3, 0.9))
    assert tags.present == ("relief",)
    assert (prediction.valence, prediction.arousal, prediction.dominance) == (0.25, -1.0, 0.5)
    assert (prediction.t_ns, prediction.duration_ns) == (3 * SECOND_NS, 0)
    assert prediction.inference_ns == 2_000_000
    assert prediction.model_id == "counts"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no words"),
        ("   \x00\x1f\x7f", "no words"),
        ("... !!! ?", "no words"),
        ("12 34", "no words"),
        ("🪿🪿", "no words, and no emoji that this model knows"),
        ("a" * (MAX_LETTERS + 1), f"longer than {MAX_LETTERS} letters: no utterance"),
        (
            "Ich habe heute wirklich keine Lust auf diese Arbeit",
            "not a language this model knows (looks like: de)",
        ),
        ("Мне очень грустно", "not a language this model knows (looks like: other script)"),
        ("😂", None),
        (":)", None),
        ("well", None),
        ("word " * 3000, None),
    ],
)
def test_what_cannot_be_estimated_says_why(
    estimator: TextEstimator, text: str, expected: str | None
) -> None:
    assert reason(estimator, text) == expected


def test_quality_grows_with_words_and_falls_with_what_is_not_read(
    estimator: TextEstimator,
) -> None:
    texts = ("no", "no way", "I did not see that", "so " * 20)
    quality = [estimator.features(line(text))[0].quality for text in texts]
    assert quality == pytest.approx([0.52, 0.64, 1.0, 0.5])


def test_the_model_reads_the_line_and_what_was_said_before_by_whom(
    estimator: TextEstimator, model: Echo
) -> None:
    said = [("you lied to me", "ann"), ("I did not", "ben"), ("oh", "ann")]
    for number, (text, speaker) in enumerate(said):
        (features,) = estimator.features(line(text, number, Utterance(speaker)))
        estimator.predict(features)
    before = [(True, "you lied to me"), (False, "I did not")]
    assert (model.seen[-1]["before"] == context_rows(before, SPEC)).all()
    assert (model.seen[-1]["words"] == sentence_rows(tokens("oh"), SPEC)).all()
    assert (model.seen[0]["before"] == 0).all()


def test_at_most_three_utterances_of_the_last_half_minute_are_context(
    estimator: TextEstimator, model: Echo
) -> None:
    for number, word in enumerate(("one", "two", "three", "four", "five")):
        (features,) = estimator.features(line(word, 10 * number))
        estimator.predict(features)
    last = [(True, "two"), (True, "three"), (True, "four")]
    assert (model.seen[-1]["before"] == context_rows(last, SPEC)).all()
    estimator.predict(estimator.features(line("six", 70.0))[0])
    assert (model.seen[-1]["before"] == context_rows([(True, "five")], SPEC)).all()


def test_a_line_that_abstains_is_no_context(estimator: TextEstimator, model: Echo) -> None:
    estimator.features(line("Ich habe heute wirklich keine Lust auf diese Arbeit"))
    estimator.predict(estimator.features(line("fine", 1.0))[0])
    assert (model.seen[-1]["before"] == 0).all()


def test_start_forgets(estimator: TextEstimator, model: Echo) -> None:
    estimator.features(line("I am here"))
    estimator.start(INFO)
    estimator.predict(estimator.features(line("fine", 1.0))[0])
    assert (model.seen[-1]["before"] == 0).all()


def test_context_that_the_source_gives_comes_first(estimator: TextEstimator, model: Echo) -> None:
    estimator.features(line("heard on the stream"))
    given = Utterance("ann", (), (Said("ben", "are you sure"),))
    estimator.predict(estimator.features(line("yes", 1.0, given))[0])
    assert (model.seen[-1]["before"] == context_rows([(False, "are you sure")], SPEC)).all()
    estimator.clip(line("yes", 1.0, given))
    assert (model.seen[-1]["before"] == model.seen[-2]["before"]).all()


def test_a_model_without_context_reads_none_even_when_it_is_given(
    tmp_path: Path, model: Echo
) -> None:
    estimator = make(tmp_path, model, MANIFEST.replace("context_s = 30.0", "context_s = 0.0"))
    estimator.start(INFO)
    estimator.features(line("are you sure"))
    estimator.predict(estimator.features(line("yes"))[0])
    estimator.clip(line("yes", 0, Utterance("ann", (), (Said("ben", "are you sure"),))))
    assert [seen["before"].sum() for seen in model.seen] == [0, 0]


def test_word_times_become_the_duration(estimator: TextEstimator) -> None:
    words = (Word("good", 100, 300), Word("night", 350, 900))
    chunk = Chunk("text", 0, 100, 0.0, "good night", Utterance("ann", words))
    (features,) = estimator.features(chunk)
    assert (features.t_ns, features.duration_ns) == (100, 800)
    assert estimator.predict(features).end_ns == 900


def test_another_kind_of_stream_is_refused(estimator: TextEstimator) -> None:
    with pytest.raises(ConfigError, match="needs lines"):
        estimator.start(StreamInfo("microphone", 16000.0, ("ch1",), "full-scale", "wav"))


def test_features_before_start_are_an_error(tmp_path: Path, model: Echo) -> None:
    with pytest.raises(ClosedError, match="not started"):
        make(tmp_path, model).features(line("hello"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("words = 10", "wordz = 10", r"\[features\]"),
        ("ids = 8\nword_rows", "ids = 9\nword_rows", "give inputs of"),
        ("relief = 0.2", "joy = 0.2", "thresholds.emotions"),
        ('["en"]', '["en", "de"]', "only en"),
        ('["en"]', "3", "lists of texts"),
        ("words = 10", 'words = "10"', "words = '10' is no whole number"),
        ("words = 10", "words = 10.0", "words = 10.0 is no whole number"),
        ("word_rows = 500", "word_rows = 0", "no rows can be made"),
        ("relief = 0.2", "relief = nan", "tables of shares"),
    ],
)
def test_a_package_that_does_not_fit_is_refused(
    tmp_path: Path, model: Echo, old: str, new: str, message: str
) -> None:
    assert old in MANIFEST
    with pytest.raises(ModelError, match=message):
        make(tmp_path, model, MANIFEST.replace(old, new))


def test_tags_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    class Broken(Echo):
        def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
            return {**super().run(inputs), "emotions": np.array([[0.3, np.nan]], np.float32)}

    estimator = make(tmp_path, Broken(ManualClock()))
    with pytest.raises(ModelError, match="the model gave"):
        estimator.clip(line("what a day this is"))


def test_close_closes_the_model(estimator: TextEstimator, model: Echo) -> None:
    estimator.close()
    assert model.closed


@given(st.text(max_size=300))
def test_any_text_is_estimated_or_says_why_not(text: str) -> None:
    clock = ManualClock()
    estimator = TextEstimator(PACKAGE, Echo(clock), clock)
    prediction = estimator.clip(line(text))
    assert (prediction.posterior is None) == bool(prediction.abstained)
    assert 0.0 <= prediction.quality <= 1.0


@pytest.fixture(autouse=True, scope="module")
def _shared_package(tmp_path_factory: pytest.TempPathFactory) -> None:
    global PACKAGE  # hypothesis runs outside of function-scoped fixtures
    PACKAGE = package_in(tmp_path_factory.mktemp("shared") / "counts", MANIFEST)


PACKAGE: ModelPackage
