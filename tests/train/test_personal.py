"""Regressions of people with and without a baseline, on people made for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_emo.datasets.clips import Clip
from edge_emo.estimators.calibration import expected_calibration_error
from tests.train_tools import need_torch, training

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


@pytest.fixture(scope="module")
def personal() -> Iterator[Any]:
    need_torch()
    with training("personal") as modules:
        yield modules.personal


def people(personal: Any, count: int, seed: int) -> Any:
    """People whose level says nothing; feature 0 rises by 1 from rest under load, in noise of 1."""
    random = np.random.default_rng(seed)
    subject = np.repeat(np.arange(count), 40)
    label = np.tile(np.repeat([0, 1], 20), count)
    rest = np.repeat(random.normal(0.0, 5.0, (count, 3)), 40, axis=0)
    values = rest + random.normal(0.0, 1.0, rest.shape)
    values[:, 0] += label
    known = np.ones_like(values)
    return personal.Table(
        values, known, rest, known, label, subject, label, np.ones(len(label), np.bool_)
    )


def test_a_baseline_tells_what_values_alone_do_not(personal: Any) -> None:
    train, test = people(personal, 30, 1), people(personal, 30, 2)
    net = personal.fit_net(train, personal.Setup((10.0, 10.0)))
    without, known = (personal.evidence(net, test, told=told) for told in (False, True))
    assert personal.area(without, test.label) < 0.65
    assert personal.area(known, test.label) > 0.7


def test_the_penalty_pulls_towards_the_start(personal: Any) -> None:
    random = np.random.default_rng(0)
    x, label = random.normal(size=(200, 2)), random.integers(0, 2, 200)
    start = np.array([0.5, -1.0, 0.0])
    held = personal.regression(x, label, np.ones(200), 1e-4, start)
    np.testing.assert_allclose(held[:2], start[:2], atol=0.01)
    np.testing.assert_allclose(
        personal.regression(x, label, np.ones(200), 1e-4)[:2], 0.0, atol=0.01
    )


def test_temperatures_of_held_out_people_calibrate_others(personal: Any) -> None:
    train, test = people(personal, 20, 3), people(personal, 60, 4)
    setup = personal.Setup((100.0, 100.0))
    choice = personal.temper(train, setup, (), 5, 0)
    net = personal.train_net(train, choice, ())
    for told in (False, True):
        chance = 1.0 / (1.0 + np.exp(-personal.evidence(net, test, told=told)))
        sure, right = np.maximum(chance, 1.0 - chance), (chance > 0.5) == (test.label == 1)
        assert expected_calibration_error(sure, right) < 0.05


def test_the_choice_starts_from_the_stranger_or_from_nothing(personal: Any) -> None:
    setup = personal.choose(people(personal, 12, 5), (), 3, 0, (1.0, 10.0), by_part=True)
    assert setup.strengths[0] in (1.0, 10.0)
    assert setup.strengths[1] in (1.0, 10.0)


def test_a_part_is_told_by_the_mean_of_its_windows(personal: Any) -> None:
    one = people(personal, 4, 6)
    score = np.where(one.label == 1, 1.0, -1.0)
    score[:15] = 3.0
    assert personal.area(score, one.label) < 1.0
    assert personal.part_area(one, np.where(one.label == 1, 1.0, -1.0)) == 1.0


def test_luck_is_not_mistaken_for_skill_where_clips_of_a_recording_are_alike(personal: Any) -> None:
    random = np.random.default_rng(5)
    recording = np.repeat(np.arange(40), 10)
    subject, label = recording // 4, np.tile(np.repeat([0, 1, 0, 1], 10), 10)
    found: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(60):
        score = random.normal(size=40)[recording] + 0.1 * random.normal(size=400)
        for told in found:
            own = recording if told else None
            found[told].append(personal.by_luck(personal.area, score, label, subject, own, 99))
    assert np.mean(np.array(found[True]) <= 0.1) < 0.2
    assert np.mean(np.array(found[False]) <= 0.1) > 0.2


def test_a_recording_is_a_stretch_of_one_file_with_one_label() -> None:
    need_torch()
    with training("personal_score") as tools:
        told = [
            ("a", 60.0, "x"),
            ("a", 0.0, "x"),
            ("b", 0.0, "x"),
            ("a", 120.0, "y"),
            ("a", 180.0, "x"),
        ]
        clips = [Clip("c", "physio", path=path, start_s=s, label=label) for path, s, label in told]
        numbers = tools.personal_score._recordings(clips)
    assert numbers == [0, 0, 3, 1, 2]
