from __future__ import annotations

import json
from typing import Any

import pytest

from tools.vm.compare import differences, figures, read_rows

ROW = {"package": "voice", "backend": "litert", "file": "model.tflite", "clip": "a"}
SAID = {"posterior": {"calm": 0.7, "tense": 0.3}, "abstained": None, "arousal": 0.1}
FACES = {"faces": [[0.8, 10.0, 20.0, 100.0, 120.0, 40.0, 60.0]]}


def rows(said: dict[str, Any]) -> Any:
    return read_rows(json.dumps({**ROW, **said}))


def posterior(calm: float) -> dict[str, Any]:
    return {**SAID, "posterior": {"calm": calm, "tense": 1 - calm}}


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (SAID, posterior(0.719)),
        (SAID, {**SAID, "posterior": {"tense": 0.3, "calm": 0.7}}),
        (FACES, {"faces": [[0.81, 11.9, 20.0, 100.0, 120.0, 40.0, 61.9]]}),
        ({"reason": "no such operator"}, {"reason": "it is not installed"}),
    ],
)
def test_machines_that_agree(here: dict[str, Any], there: dict[str, Any]) -> None:
    assert differences(rows(here), rows(there)) == []


@pytest.mark.parametrize(
    ("here", "there", "words"),
    [
        (SAID, posterior(0.721), "differs by 0.0210"),
        (posterior(0.505), posterior(0.495), "calm here, tense there"),
        (SAID, {**SAID, "posterior": None, "abstained": "too quiet"}, "abstains once only"),
        (SAID, {**SAID, "arousal": 0.13}, "differs by 0.0300"),
        (SAID, {"reason": "no such operator"}, "runs once only"),
        (FACES, {"faces": []}, "1 faces here, 0 there"),
        (FACES, {"faces": [[0.8, 12.1, 20.0, 100.0, 120.0, 40.0, 60.0]]}, "there"),
        (FACES, {"faces": [[0.8, 10.0, 20.0, 100.0, 120.0, 40.0, 62.1]]}, "there"),
        (FACES, {"faces": [[0.83, 10.0, 20.0, 100.0, 120.0, 40.0, 60.0]]}, "there"),
    ],
)
def test_machines_that_differ(here: dict[str, Any], there: dict[str, Any], words: str) -> None:
    (problem,) = differences(rows(here), rows(there))
    assert problem.startswith("voice litert model.tflite a: ")
    assert words in problem


def test_a_clip_that_one_machine_left_out_is_named() -> None:
    assert differences(rows(SAID), {}) == ["voice litert model.tflite a: on one machine only"]


def test_figures_give_the_widest_difference_of_each_file() -> None:
    (line,) = figures(rows(SAID), rows(posterior(0.71)))
    assert line == "voice litert model.tflite: 1 clips, widest difference 1.0e-02"
