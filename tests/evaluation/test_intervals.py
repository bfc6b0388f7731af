"""Intervals hold the figure, shrink with the number of people, and count people, not clips."""

from __future__ import annotations

import numpy as np
import pytest

from edge_emo.evaluation import metrics
from edge_emo.evaluation.intervals import bootstrap

LABELS = ("calm", "tense", "sad")


def told(speakers: int, clips: int, seed: int) -> tuple[list[str], list[str | None], list[str]]:
    """Let a model be right more often for some speakers than for others."""
    rng = np.random.default_rng(seed)
    true, guessed, names = [], [], []
    for speaker in range(speakers):
        skill = rng.uniform(0.3, 0.9)
        for _ in range(clips):
            truth = LABELS[rng.integers(3)]
            lucky = rng.random() < skill
            true.append(truth)
            guessed.append(truth if lucky else None if rng.random() < 0.2 else "calm")
            names.append(f"s{speaker}")
    return true, guessed, names


def width(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


@pytest.mark.parametrize("named", [True, False])
def test_the_figure_lies_in_its_interval(named: bool) -> None:
    true, guessed, names = told(20, 30, 1)
    found = bootstrap(LABELS, true, guessed, names if named else [None] * len(true))
    assert found is not None
    for interval, figure in (
        (found.accuracy, metrics.accuracy(true, guessed)),
        (
            found.unweighted_average_recall,
            metrics.unweighted_average_recall(LABELS, true, guessed),
        ),
        (found.macro_f1, metrics.macro_f1(LABELS, true, guessed)),
    ):
        assert figure is not None
        assert interval[0] < figure < interval[1]
    assert found.over == ("20 speakers" if named else "600 clips")


def test_people_differ_more_than_their_clips() -> None:
    true, guessed, names = told(10, 100, 2)
    by_people = bootstrap(LABELS, true, guessed, names)
    by_clips = bootstrap(LABELS, true, guessed, ["one"] * len(true))
    assert by_people is not None
    assert by_clips is not None
    assert width(by_people.accuracy) > 2 * width(by_clips.accuracy)


def test_more_people_make_it_narrower() -> None:
    few, many = (bootstrap(LABELS, *told(n, 20, 3)) for n in (8, 128))
    assert few is not None
    assert many is not None
    assert width(many.unweighted_average_recall) < 0.5 * width(few.unweighted_average_recall)


def test_it_covers_what_it_promises() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        right = rng.random(200) < 0.7
        guessed = ["calm" if hit else "tense" for hit in right]
        found = bootstrap(LABELS, ["calm"] * 200, guessed, [None] * 200)
        assert found is not None
        held += found.accuracy[0] <= 0.7 <= found.accuracy[1]
    assert 0.89 <= held / 200 <= 0.99


def test_the_same_clips_give_the_same_interval() -> None:
    true, guessed, names = told(6, 9, 5)
    assert bootstrap(LABELS, true, guessed, names) == bootstrap(LABELS, true, guessed, names)


def test_clips_of_unknown_people_are_drawn_themselves() -> None:
    found = bootstrap(LABELS, ["calm", "sad", "sad"], ["calm", None, "sad"], ["a", None, "b"])
    assert found is not None
    assert found.over == "3 clips"
    assert found.accuracy == (0.0, 1.0)


def test_one_clip_has_no_interval() -> None:
    assert bootstrap(LABELS, ["calm"], ["calm"], ["a"]) is None
