"""Figures of clips of which several labels are true at once."""

from __future__ import annotations

import pytest

from edge_emo.datasets.clips import Clip
from edge_emo.estimators.base import Estimator, Features
from edge_emo.evaluation import metrics
from edge_emo.evaluation.evaluate import run_clips, summarise
from edge_emo.evaluation.report import Report
from edge_emo.manifest import ModelPackage
from edge_emo.types import Chunk, Posterior, Prediction, Said, StreamInfo, Tags, abstention
from tests.fakes.manifests import bare_package, labelled

LABELS = ("calm", "tense")
MOODS = ("calm", "tense", "proud")


class WordEstimator(Estimator):
    """A mood is present when its name is in the text; says what context it was given."""

    modality = "text"
    kind = "text"
    model_id = "words"

    def __init__(self) -> None:
        self.before: list[tuple[Said, ...] | None] = []

    def start(self, info: StreamInfo) -> None:
        pass

    def features(self, chunk: Chunk) -> list[Features]:
        raise NotImplementedError

    def predict(self, features: Features) -> Prediction:
        raise NotImplementedError

    def clip(self, chunk: Chunk) -> Prediction:
        self.before.append(chunk.utterance.before if chunk.utterance else None)
        if not chunk.text:
            return abstention("text", chunk.t_ns, 0, "no words")
        tense = 1.0 if "tense" in chunk.text else 0.0
        scores = tuple(0.6 if name in chunk.text else 0.4 for name in MOODS)
        return Prediction(
            modality="text",
            t_ns=0,
            duration_ns=0,
            posterior=Posterior(LABELS, (1 - tense, tense)),
            valence=None,
            arousal=None,
            dominance=None,
            quality=1.0,
            model_id="words",
            inference_ns=0,
            tags={"moods": Tags(MOODS, scores, (0.5, 0.5, 0.5))},
        )

    def close(self) -> None:
        pass


def package() -> ModelPackage:
    return bare_package("words", "text", labelled("logits", LABELS), labelled("moods", MOODS))


def report(*clips: Clip) -> Report:
    return summarise(package(), run_clips(WordEstimator(), package(), clips, "."), ())


def clip(text: str, *names: str, label: str | None = None) -> Clip:
    votes = dict.fromkeys(names, 1.0) or None
    return Clip(text or "empty", "text", text=text, votes=votes, label=label)


def test_figures_by_hand() -> None:
    found = report(
        clip("calm and proud", "calm", "proud"),
        clip("tense", "proud"),
        clip("", "calm"),
        clip("tense, not calm", label="tense"),
        clip("?", "grim"),
    )
    assert (found.n, found.n_left_out) == (4, 1)
    assert found.multilabel == {
        "output": "moods",
        "n": 3,
        "n_left_out": 0,
        "macro_f1": pytest.approx((2 / 3 + 0 + 2 / 3) / 3),
        "micro_f1": pytest.approx(2 * 2 / (2 * 2 + 1 + 2)),
        "f1": {"calm": pytest.approx(2 / 3), "tense": 0.0, "proud": pytest.approx(2 / 3)},
    }
    assert found.accuracy == 1.0
    assert "multilabel macro_f1" in found.table()


def test_a_label_that_only_the_other_output_has_is_the_truth_there() -> None:
    found = report(clip("proud", label="proud"), clip("calm", label="proud"))
    assert found.multilabel is not None
    assert found.multilabel["f1"] == {"calm": 0.0, "proud": pytest.approx(2 / 3)}
    assert found.accuracy is None


def test_a_clip_with_a_foreign_label_takes_no_figures_from_the_others() -> None:
    found = report(clip("proud", "proud"), clip("calm", "calm", "grim", label="calm"))
    assert found.multilabel is not None
    assert (found.multilabel["n"], found.multilabel["n_left_out"]) == (1, 1)
    assert found.multilabel["f1"]["proud"] == 1.0


def test_clips_with_one_label_have_no_such_figures() -> None:
    assert report(clip("tense", label="tense")).multilabel is None


def test_context_of_a_manifest_reaches_the_model() -> None:
    estimator = WordEstimator()
    said = [{"speaker": "ann", "text": "hello"}, {"text": "hm"}]
    clips = [Clip("a", "text", text="tense", label="tense", context=said)]
    run_clips(estimator, package(), [*clips, clip("calm", label="calm")], ".")
    assert estimator.before == [(Said("ann", "hello"), Said(None, "hm")), ()]


def test_weighted_f1_weighs_by_how_often_a_label_is_true() -> None:
    true, guessed = ["a", "a", "a", "b"], ["a", "a", None, "a"]
    assert metrics.weighted_f1(["a", "b"], true, guessed) == pytest.approx(3 / 4 * 4 / 6)
    assert metrics.weighted_f1(["a"], [], []) is None


def test_micro_f1_without_labels_is_unknown() -> None:
    assert metrics.micro_f1([set()], [set()]) is None
