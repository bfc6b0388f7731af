"""Figures among the labels that the clips have, as if the model had no others."""

from __future__ import annotations

import pytest

from edge_emo.datasets.clips import Clip
from edge_emo.errors import DatasetError
from edge_emo.evaluation import closed
from edge_emo.evaluation.evaluate import Outcome, Run, summarise
from edge_emo.manifest import ModelPackage
from edge_emo.types import Modality, Posterior, Prediction, abstention
from tests.fakes.manifests import bare_package, labelled

LABELS = ("anger", "fear", "surprise")


def package() -> ModelPackage:
    return bare_package("judge", "voice", labelled("logits", LABELS))


def said(label: str, *probabilities: float) -> Outcome:
    """Return what was said of a clip whose true label is given; nothing is an abstention."""
    clip = Clip(clip=label, modality="voice", label=label)
    if not probabilities:
        return Outcome(clip, abstention("voice", 0, 0, "silence"))
    prediction = Prediction("voice", 0, 0, Posterior(LABELS, probabilities), None, None, None,
                            1.0, "judge", 0)  # fmt: skip
    return Outcome(clip, prediction)


def test_a_label_that_no_clip_has_is_no_answer() -> None:
    run = Run([said("anger", 0.4, 0.1, 0.5), said("fear", 0.1, 0.2, 0.7)], 0)
    free = summarise(package(), run, [])
    found = summarise(package(), run, [], among=("anger", "fear"))
    assert (free.accuracy, free.among) == (0.0, None)
    assert (found.accuracy, found.among) == (1.0, ("anger", "fear"))
    assert found.labels == LABELS
    assert found.expected_calibration_error == pytest.approx((0.2 + 1 / 3) / 2)
    assert "among                               anger, fear" in found.table()


def clip(modality: Modality, label: str | None) -> Clip:
    return Clip("a", modality, label=label)


def test_the_choices_are_the_labels_of_clips_of_the_modality() -> None:
    clips = [clip("voice", "surprise"), clip("voice", "anger"), clip("face", "fear")]
    assert closed.choices(package(), clips) == ("anger", "surprise")


@pytest.mark.parametrize("labels", [(None,), ("anger",), ("calm", "anger")])
def test_one_label_is_no_choice(labels: tuple[str | None, ...]) -> None:
    count = labels.count("anger")
    with pytest.raises(DatasetError, match=f"the clips have {count} of the labels"):
        closed.choices(package(), [clip("voice", label) for label in labels])


def test_an_abstention_and_a_certainty_of_what_is_no_answer_stay_errors() -> None:
    run = Run([said("anger"), said("fear", 0.0, 0.0, 1.0), said("anger", 0.9, 0.1, 0.0)], 0)
    found = summarise(package(), run, [], among=("anger", "fear"))
    assert found.accuracy == pytest.approx(1 / 3)
    assert found.abstained == pytest.approx(1 / 3)
    assert found.confusion[1] == (0, 0, 1)
