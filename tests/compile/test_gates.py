from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.compile.gates import (
    Answers,
    Figures,
    clip_posteriors,
    face_f1,
    measure,
    outdone,
    put_out,
    refitted,
    refitted_threshold,
    rejection,
)
from edge_emo.compile.samples import Samples, read_samples
from edge_emo.compile.sensitivity import worst
from edge_emo.compile.source import target_of
from edge_emo.estimators.calibration import softmax
from edge_emo.manifest import ModelFile, find_package

BASE = Figures(
    "rpi", "float32", "model.tflite", bytes=1_000_000, score=0.70, correlations={"arousal": 0.5},
    p50_ms=1.2, cpu_ms=1.0,
)  # fmt: skip
DETECTOR = {"width_px": 320, "height_px": 256, "threshold": 0.6}
INT8 = replace(BASE, kind="int8", path="model.int8.tflite", bytes=300_000, cpu_ms=0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"score": 0.695}, ""),
        ({"score": 0.6949}, "loses 0.51 points of 70.00"),
        ({"score": 0.75}, ""),
        ({"correlations": {"arousal": 0.496}}, ""),
        ({"correlations": {"arousal": 0.48}}, "loses 2.00 points of 50.00 in r of arousal"),
        ({"correlations": {}}, "loses 50.00 points of 50.00 in r of arousal"),
        ({"score": None}, "no labels to judge it by"),
        ({"bytes": 960_000, "cpu_ms": 0.95}, "neither faster nor smaller"),
        ({"bytes": 960_000, "cpu_ms": 0.89}, ""),
        ({"bytes": 940_000, "cpu_ms": 2.0}, ""),
    ],
)
def test_a_candidate_must_lose_little_and_gain_something(
    change: dict[str, float | None], words: str
) -> None:
    reason = rejection(replace(INT8, **change), BASE, timed=True)  # type: ignore[arg-type]
    assert words in reason
    assert bool(words) == bool(reason)


def test_nothing_is_judged_by_a_float32_file_that_was_rejected() -> None:
    base = replace(BASE, score=0.4, reason="loses 30.00 points of 70.00")
    assert rejection(INT8, base, timed=True) == "there is no float32 file to judge it by"
    unmade = Figures("rpi", "float32", "model.tflite", reason="cannot be made: no conversion")
    assert rejection(INT8, unmade, timed=True) == "there is no float32 file to judge it by"


def test_a_time_that_says_nothing_of_the_device_counts_for_nothing() -> None:
    quick = replace(INT8, bytes=BASE.bytes, cpu_ms=0.1)
    assert rejection(quick, BASE, timed=True) == ""
    assert rejection(quick, BASE, timed=False) == "neither faster nor smaller than float32"


def test_room_below_32_kb_is_not_worth_int8() -> None:
    tiny = replace(BASE, bytes=30_000)
    assert rejection(replace(INT8, bytes=8_000, cpu_ms=1.0), tiny, timed=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "model.int8.tflite is faster and not larger"),
        ({"bytes": 100_000}, ""),
        ({"bytes": 290_000}, "model.int8.tflite is faster and not larger"),
        ({"cpu_ms": 0.3}, ""),
        ({"cpu_ms": 0.52}, "model.int8.tflite is smaller and not slower"),
    ],
)
def test_what_another_does_better_is_left_out(change: dict[str, float], words: str) -> None:
    other = replace(BASE, kind="float16", path="model.float16.tflite", **change)  # type: ignore[arg-type]
    assert outdone(other, [BASE, INT8, other], timed=True) == words


def test_two_candidates_never_put_each_other_out() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        sizes, times = rng.integers(1, 200_000, 2), rng.uniform(0.1, 2.0, 2)
        two = [
            replace(BASE, path=f"{k}", bytes=int(sizes[k]), cpu_ms=float(times[k]))
            for k in range(2)
        ]
        assert not all(outdone(one, two, timed=True) for one in two)


def test_three_that_put_each_other_out_leave_the_fastest() -> None:
    sizes, times = (139_902, 131_323, 161_165), (0.968, 1.045, 0.895)
    three = [
        replace(BASE, path=f"{k}", bytes=size, cpu_ms=time)
        for k, (size, time) in enumerate(zip(sizes, times, strict=True))
    ]
    assert all(outdone(one, three, timed=True) for one in three)
    reasons = put_out(three, timed=True)
    assert [path for path, reason in reasons.items() if not reason] == ["2"]
    assert put_out([], timed=True) == {}


def test_the_temperature_brings_the_float_posteriors_back() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (400, 5))
    assert refitted(1.3, logits, 0.5 * logits) == pytest.approx(0.65, rel=0.01)
    assert refitted(1.3, logits, logits + rng.normal(0, 1e-3, logits.shape)) == 1.3


def test_a_clip_has_the_mean_posterior_of_its_windows() -> None:
    logits = np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 3.0]])
    found = clip_posteriors(logits, np.array([0, 0, 1]), 1.0)
    np.testing.assert_allclose(found[0], softmax(logits[:2]).mean(axis=0))
    np.testing.assert_allclose(found[1], softmax(logits[2]))


def test_every_face_is_matched_once() -> None:
    face = np.array([[0, 0, 10, 10]], np.float32)
    away = face + 50
    both = np.vstack([face, away])
    assert face_f1([face, both], [face, both]) == 1.0
    assert face_f1([face], [np.vstack([face, face])]) == pytest.approx(2 / 3)
    assert face_f1([both], [face]) == pytest.approx(2 / 3)
    assert face_f1([face], [away]) == 0.0
    assert face_f1([face[:0]], [face[:0]]) == 1.0


def maps_of(scores: Sequence[float]) -> dict[str, npt.NDArray[np.float32]]:
    """Return a detector's maps of one picture: faces of 64 px that do not touch, so sure."""
    package = find_package("face-detector-small")
    maps = {spec.name: np.zeros(spec.shape, np.float32) for spec in package.outputs}
    for name in ("score_8", "score_16", "score_32"):
        maps[name][:] = -20.0
    maps["box_32"][..., 2:] = np.log(64.0 / 128.0)
    for k, score in enumerate(scores):
        row, column = 1 + 3 * (k // 3), 1 + 3 * (k % 3)
        maps["score_32"][0, row, column] = np.log(score / (1.0 - score))
    return maps


def test_a_detector_that_is_less_sure_gets_a_lower_threshold() -> None:
    package = replace(find_package("face-detector-small"), features=DETECTOR)
    ours = maps_of([0.9, 0.8, 0.7, 0.5, 0.4])
    assert refitted_threshold(package, ours, ours) == pytest.approx(0.6)
    assert refitted_threshold(package, ours, maps_of([0.8, 0.7, 0.62])) == 0.6
    theirs = maps_of([0.7, 0.6, 0.5, 0.4, 0.35])
    assert refitted_threshold(package, ours, theirs) == pytest.approx(0.45)
    assert refitted_threshold(package, ours, maps_of([0.31, 0.1])) == pytest.approx(0.3)
    assert refitted_threshold(package, maps_of([]), theirs) == pytest.approx(0.75)
    assert refitted_threshold(package, maps_of([]), maps_of([0.5])) == 0.6


def test_the_layers_that_bring_half_of_the_error_stay_in_float() -> None:
    errors = {"a": 6.0, "b": 3.0, "c": 2.0, "d": 1.0, **{f"e{k}": 0.0 for k in range(8)}}
    assert worst(errors) == ["a"]
    assert worst({**errors, "a": 4.0}) == ["a", "b"]
    assert worst({"a": 1.0}) == ["a"]


@pytest.mark.parametrize(
    ("path", "kind", "target", "found"),
    [
        ("model.tflite", "tflite", "", "rpi"),
        ("model.xml", "openvino-ir", "", "openvino"),
        ("model.bin", "openvino-bin", "", "openvino"),
        ("model.onnx", "onnx", "", ""),
        ("model.trt.onnx", "onnx", "jetson", "jetson"),
    ],
)
def test_a_file_belongs_to_the_target_of_its_format(
    path: str, kind: str, target: str, found: str
) -> None:
    assert target_of(ModelFile(path, kind, "float32", 1, "0" * 64, target)) == found
    assert Path(path).suffix


def test_landmarks_are_judged_by_their_distance_over_that_of_the_eyes() -> None:
    package = find_package("face-landmarks-small")
    truth = np.zeros((3, 11))
    truth[:, 10] = 10.0
    samples = Samples((np.zeros((3, 1, 48, 48), np.float32),), np.arange(3), (), None, truth)
    ours, theirs = np.zeros((3, 10)), np.zeros((3, 10))
    ours[:, 0], theirs[:, 0] = 5.0, 10.0
    answers = [Answers({"points": one}, {"points": one}) for one in (ours, theirs)]
    found = measure(package, samples, *answers, BASE)
    assert found.score == pytest.approx(1 - 10.0 / 5 / 10.0)
    assert found.agreement == pytest.approx(1 - 5.0 / 5 / 10.0)


def test_dimensions_are_judged_by_their_correlation_with_the_true_ones() -> None:
    package = find_package("text")
    affect = next(spec for spec in package.outputs if "arousal" in spec.labels)
    rng = np.random.default_rng(0)
    truth = rng.uniform(-1, 1, (300, 3))
    truth[:50] = np.nan
    clips = np.repeat(np.arange(300), 2)
    samples = Samples((), clips, (None,) * 300, values=truth)
    given = np.nan_to_num(truth)[clips] + rng.normal(0, 0.3, (600, 3))
    columns = [("valence", "arousal", "dominance").index(name) for name in affect.labels]
    logits = rng.normal(0, 1, (600, len(package.labels)))
    outputs = {package.categories.name: logits, affect.name: given[:, columns]}
    found = measure(package, samples, Answers(outputs, outputs), Answers(outputs, outputs), BASE)
    assert set(found.correlations) == set(affect.labels)
    assert all(0.8 < r < 0.99 for r in found.correlations.values())


def test_few_true_values_are_not_judged_by() -> None:
    package = find_package("text")
    affect = next(spec for spec in package.outputs if "arousal" in spec.labels)
    rows = np.random.default_rng(0).normal(0, 1, (40, 8))
    outputs = {package.categories.name: rows[:, :7], affect.name: rows[:, : len(affect.labels)]}
    samples = Samples((), np.arange(40), (None,) * 40, values=rows[:, :3])
    found = measure(package, samples, Answers(outputs, outputs), Answers(outputs, outputs), BASE)
    assert found.correlations == {}


def test_true_values_are_kept_with_their_inputs(tmp_path: Path) -> None:
    package = find_package("text")
    shapes = [(spec, (6, *spec.shape[1:])) for spec in package.inputs]
    inputs = tuple(np.zeros(shape, spec.dtype) for spec, shape in shapes)
    values = np.array([[0.5, np.nan, -1.0], [np.nan, 0.25, 0.0]])
    clips = np.array([0, 0, 0, 1, 1, 1])
    Samples(inputs, clips, (None, "anger"), values=values).save(tmp_path / "s.npz", package)
    again = read_samples(package, tmp_path / "s.npz")
    assert again.values is not None
    np.testing.assert_array_equal(again.values, values)
    assert again.labels == (None, "anger")
