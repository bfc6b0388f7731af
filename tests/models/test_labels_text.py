"""Each exported file of the text packages names its labels right, on every backend."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_emo.clock import ManualClock
from edge_emo.estimators.text import TextEstimator
from edge_emo.manifest import ModelPackage, find_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import CATEGORIES, Chunk, Prediction, Said, Utterance
from tests.models.files import MODULES, need

PACKAGES = ("text-expression-small", "text-expression-commercial")
SENTENCES = {
    "anger": ["I am so angry with you!", "Shut up, you stupid liar.", "This makes me furious."],
    "disgust": ["That is disgusting.", "Gross, what a disgusting smell."],
    "fear": ["I am so scared.", "I'm terrified of the dark.", "Help, I am afraid!"],
    "happiness": ["Thank you, I love it!", "I am so happy today.", "Wonderful, great job!"],
    "neutral": ["The bus stops at the next corner.", "The meeting is in room two."],
    "sadness": ["I am so sad.", "It breaks my heart, I cried all night.", "I miss her so much."],
    "surprise": ["Wow, what a surprise!", "Oh my god, I can't believe it!"],
}
EMOTIONS = {
    "admiration": "You did a great job, what an amazing picture!",
    "amusement": "Haha, that is hilarious, lol",
    "anger": "I hate you, you make me so angry!",
    "curiosity": "I wonder, what is your favourite colour?",
    "fear": "I am terrified, this is so scary.",
    "gratitude": "Thank you so much for your help.",
    "love": "I love you, I love my family.",
    "optimism": "I hope that tomorrow will be better.",
    "remorse": "I am so sorry, I apologise.",
    "sadness": "I am so sad, it makes me cry.",
    "surprise": "Wow, I am shocked!",
}


@pytest.fixture(scope="module", params=PACKAGES)
def package(request: pytest.FixtureRequest) -> ModelPackage:
    return find_package(request.param)


@pytest.fixture(scope="module", params=list(MODULES))
def estimator(request: pytest.FixtureRequest, package: ModelPackage) -> TextEstimator:
    need(request.param)
    model = load_model(package, backend=request.param)
    return TextEstimator(package, model, ManualClock())


def estimate(estimator: TextEstimator, text: str, *before: Said) -> Prediction:
    return estimator.clip(Chunk("text", 0, 0, 0.0, text, Utterance(None, (), before)))


def test_every_file_is_whole_and_small(package: ModelPackage) -> None:
    assert {file.format for file in package.files} >= {"tflite", "onnx"}
    for file in package.files:
        package.verify(file)
        assert file.bytes <= 3_000_000


def test_one_is_the_default_and_one_may_be_sold() -> None:
    assert find_package("text").id in PACKAGES
    assert find_package("text-expression-commercial").licence.commercial
    research = find_package("text-expression-small").licence
    assert not research.commercial
    assert "NC" in research.weights


@pytest.mark.parametrize("label", CATEGORIES)
def test_sentences_of_a_category_get_its_name(estimator: TextEstimator, label: str) -> None:
    found = [estimate(estimator, text).posterior for text in SENTENCES[label]]
    assert all(posterior is not None for posterior in found)
    labels = [posterior.label for posterior in found if posterior]
    assert labels.count(label) * 2 > len(labels), labels


@pytest.mark.parametrize("label", EMOTIONS)
def test_sentences_of_an_emotion_get_its_tag(estimator: TextEstimator, label: str) -> None:
    assert label in estimate(estimator, EMOTIONS[label]).tags["emotions"].present


@pytest.mark.parametrize("label", CATEGORIES)
def test_a_category_by_itself_scores_highest_on_its_own(
    estimator: TextEstimator, label: str
) -> None:
    rows = {
        other: np.mean([score(estimator, text, label) for text in texts])
        for other, texts in SENTENCES.items()
    }
    assert max(rows, key=lambda other: rows[other]) == label


def score(estimator: TextEstimator, text: str, label: str) -> float:
    tags = estimate(estimator, text).tags["scores"]
    return tags.scores[tags.names.index(label)]


def test_dimensions_point_the_right_way(estimator: TextEstimator) -> None:
    good = estimate(estimator, "What a wonderful, happy, beautiful day!")
    bad = estimate(estimator, "Her son was killed in a terrible accident.")
    dull = estimate(estimator, "The form has two pages.")
    assert good.valence is not None
    assert bad.valence is not None
    assert good.valence > 0.1 > -0.1 > bad.valence
    assert good.arousal is not None
    assert dull.arousal is not None
    assert good.arousal > dull.arousal
    assert good.dominance is not None


def test_what_was_said_before_changes_the_estimate_of_a_model_that_reads_it(
    estimator: TextEstimator, package: ModelPackage
) -> None:
    alone = estimate(estimator, "I see.").posterior
    after = estimate(estimator, "I see.", Said("ann", "My father died last night.")).posterior
    assert alone is not None
    assert after is not None
    change = max(abs(alone[name] - after[name]) for name in CATEGORIES)
    assert change > 0.01 if package.features["context_s"] else change == 0.0


def test_backends_agree(package: ModelPackage) -> None:
    answers = []
    for backend, module in MODULES.items():
        if importlib.util.find_spec(module) is None:
            continue
        model = load_model(package, backend=backend)
        estimator = TextEstimator(package, model, ManualClock())
        found = [estimate(estimator, text) for texts in SENTENCES.values() for text in texts]
        rows = [p.posterior.probabilities for p in found if p.posterior]
        answers.append(np.array(rows))
    assert len(answers) > 1
    for other in answers[1:]:  # a file of int8 is near the float one, and says the same
        np.testing.assert_array_equal(other.argmax(axis=1), answers[0].argmax(axis=1))
        np.testing.assert_allclose(other, answers[0], atol=0.05)


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=120))
def test_any_text_gets_finite_numbers_or_a_reason(text: str) -> None:
    prediction = estimate(SHIPPED[0], text)
    if prediction.posterior is None:
        assert prediction.abstained
        return
    numbers = [*prediction.posterior.probabilities, *prediction.tags["emotions"].scores]
    assert np.isfinite([*numbers, prediction.valence, prediction.arousal]).all()


SHIPPED: list[TextEstimator] = []
"""The default package on any backend; hypothesis takes no fixture of a test."""


@pytest.fixture(autouse=True, scope="module")
def _shipped() -> None:
    package = find_package("text")
    SHIPPED.append(TextEstimator(package, load_model(package), ManualClock()))
