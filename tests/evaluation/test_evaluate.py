"""The evaluation over pictures whose brightness an estimator of known errors reads."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_emo.clock import ManualClock
from edge_emo.datasets.clips import Clip
from edge_emo.errors import ConfigError, DatasetError
from edge_emo.estimators.base import Estimator, Features
from edge_emo.estimators.baseline import Baseline, expiry
from edge_emo.estimators.create import build_estimator, create_estimator
from edge_emo.evaluation.evaluate import (
    TimedModel,
    evaluate_package,
    run_clips,
    summarise,
)
from edge_emo.evaluation.report import Report
from edge_emo.imaging import cv2
from edge_emo.manifest import ModelPackage, Signatures, find_package
from edge_emo.runtime.base import LoadedModel, Tensors
from edge_emo.runtime.choose import load_model
from edge_emo.types import Chunk, Posterior, Prediction, StreamInfo, abstention
from tests.fakes.drawn_faces import backdrop, draw_face
from tests.fakes.face_packages import write_packages
from tests.fakes.manifests import bare_package, labelled

LABELS = ("calm", "tense")


class BrightnessEstimator(Estimator):
    """Says ``tense`` with probability brightness / 255; abstains from a black picture."""

    modality = "face"
    kind = "camera"
    model_id = "brightness"

    def __init__(self) -> None:
        self.started: list[StreamInfo] = []

    def start(self, info: StreamInfo) -> None:
        self.started.append(info)

    def features(self, chunk: Chunk) -> list[Features]:
        raise NotImplementedError

    def predict(self, features: Features) -> Prediction:
        raise NotImplementedError

    def clip(self, chunk: Chunk) -> Prediction:
        tense = float(chunk.image.mean()) / 255
        if tense == 0:
            return abstention("face", chunk.t_ns, 0, "too dark")
        return Prediction(
            modality="face",
            t_ns=chunk.t_ns,
            duration_ns=0,
            posterior=Posterior(LABELS, (1 - tense, tense)),
            valence=None,
            arousal=2 * tense - 1,
            dominance=None,
            quality=1.0,
            model_id="brightness",
            inference_ns=0,
        )

    def close(self) -> None:
        pass


def package(labels: tuple[str, ...] = LABELS) -> ModelPackage:
    return bare_package("brightness", "face", labelled("logits", labels))


def picture(folder: Path, grey: int, label: str | None, arousal: float | None = None) -> Clip:
    name = f"{grey}.png"
    cv2().imwrite(str(folder / name), np.full((4, 4), grey, np.uint8))
    return Clip(name, "face", path=name, label=label, arousal=arousal)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    return [
        picture(tmp_path, 51, "calm", -0.5),  # tense 0.2: right
        picture(tmp_path, 204, "tense", 0.5),  # tense 0.8: right
        picture(tmp_path, 153, "calm", 0.0),  # tense 0.6: wrong
        picture(tmp_path, 0, "tense", 1.0),  # abstains
        picture(tmp_path, 100, "joy"),
        picture(tmp_path, 101, None),
        Clip("sound", "voice", path="sound.wav", label="calm"),
    ]


def report(clips: list[Clip], root: Path, runs_ns: tuple[int, ...] = ()) -> Report:
    ran = run_clips(BrightnessEstimator(), package(), clips, root)
    return summarise(package(), ran, runs_ns, asked="face", backend="litert")


def test_figures_by_hand(clips: list[Clip], tmp_path: Path) -> None:
    found = report(clips, tmp_path)
    assert (found.n, found.n_left_out) == (4, 3)
    assert found.accuracy == pytest.approx(2 / 4)
    assert found.accuracy_answered == pytest.approx(2 / 3)
    assert found.abstained == pytest.approx(1 / 4)
    assert found.unweighted_average_recall == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert found.macro_f1 == pytest.approx((2 * 1 / (2 + 1) + 2 * 1 / (2 + 2)) / 2)
    assert found.confusion == ((1, 1), (0, 1))
    assert found.roc_auc == pytest.approx(1.0)
    # Confidences 0.8, 0.8 (right) and 0.6 (wrong) fall into two bins.
    assert found.expected_calibration_error == pytest.approx((0.4 + 0.6) / 3)


def test_dimensions_against_references(clips: list[Clip], tmp_path: Path) -> None:
    found = report(clips, tmp_path)
    reference, estimate = np.array([-0.5, 0.5, 0.0]), np.array([-0.6, 0.6, 0.2])
    covariance = float(np.cov(reference, estimate, bias=True)[0, 1])
    gap = (reference.mean() - estimate.mean()) ** 2
    expected = 2 * covariance / (reference.var() + estimate.var() + gap)
    assert found.arousal_ccc == pytest.approx(expected)
    assert found.arousal_r == pytest.approx(float(np.corrcoef(reference, estimate)[0, 1]))
    assert found.valence_ccc is None
    assert found.dominance_r is None


def test_a_clip_with_a_dimension_only_counts_for_it_alone(tmp_path: Path) -> None:
    clips = [picture(tmp_path, 51, None, -0.5), picture(tmp_path, 204, None, 0.5)]
    found = report(clips, tmp_path)
    assert (found.n, found.n_left_out) == (2, 0)
    assert found.accuracy is None
    assert found.expected_calibration_error is None
    assert found.arousal_r == pytest.approx(1.0)


def test_inference_percentiles_are_in_ms(clips: list[Clip], tmp_path: Path) -> None:
    found = report(clips, tmp_path, tuple(range(0, 101_000_000, 1_000_000)))
    assert found.inference_ms_p50 == pytest.approx(50.0)
    assert found.inference_ms_p95 == pytest.approx(95.0)
    assert report(clips, tmp_path).inference_ms_p50 is None


def test_the_object_has_the_documented_keys(clips: list[Clip], tmp_path: Path) -> None:
    found = json.loads(json.dumps(report(clips, tmp_path).to_json()))
    assert list(found) == [
        *("model", "package", "backend", "n", "n_left_out", "n_baselines", "accuracy"),
        "accuracy_answered",
        *("unweighted_average_recall", "macro_f1", "expected_calibration_error", "abstained"),
        *("labels", "roc_auc", "confusion", "valence_ccc", "valence_r", "arousal_ccc"),
        *("arousal_r", "dominance_ccc", "dominance_r", "inference_ms_p50", "inference_ms_p95"),
        *("weighted_f1", "multilabel", "accuracy_interval"),
        *("unweighted_average_recall_interval", "macro_f1_interval", "interval_over"),
        *("among", "n_unread", "unread"),
    ]
    assert (found["model"], found["package"], found["backend"]) == ("face", "brightness", "litert")
    assert found["labels"] == ["calm", "tense"]
    assert found["confusion"] == [[1, 1], [0, 1]]


def test_the_table_shows_figures_and_matrix(clips: list[Clip], tmp_path: Path) -> None:
    lines = report(clips, tmp_path).table().splitlines()
    assert "accuracy                            0.500" in lines
    assert lines[-3].split() == ["true", "/", "estimated", "calm", "tense"]
    assert lines[-2].split() == ["calm", "1", "1"]
    assert lines[-1].split() == ["tense", "0", "1"]
    assert not any("valence" in line for line in lines)


def test_every_clip_starts_a_stream_of_its_own_and_is_reported(
    clips: list[Clip], tmp_path: Path
) -> None:
    estimator, done = BrightnessEstimator(), []
    run_clips(estimator, package(), clips, tmp_path, lambda n, total: done.append((n, total)))
    assert [info.kind for info in estimator.started] == ["camera"] * 4
    assert done == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_nothing_fit_is_an_error_that_names_the_labels(clips: list[Clip], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="none of 7 clips") as caught:
        run_clips(BrightnessEstimator(), package(("x", "y")), clips, tmp_path)
    assert "x, y" in caught.value.hint


def test_each_run_of_the_model_is_timed_on_the_clock() -> None:
    clock = ManualClock()

    class SlowModel(LoadedModel):
        backend = "slow"

        def run(self, inputs: Tensors) -> Tensors:
            clock.advance(float(inputs["s"][0]))
            return inputs

        def close(self) -> None:
            pass

    model = TimedModel(SlowModel(), clock)
    for seconds in (0.5, 0.25):
        model.run({"s": np.array([seconds])})
    assert model.runs_ns == [500_000_000, 250_000_000]


def test_in_large_pictures_the_face_is_searched_by_the_detector_of_the_folder(
    tmp_path: Path,
) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'edge-emo[onnx]'")
    folder = write_packages(tmp_path / "packages")
    reader = find_package("drawn-reader", [folder])
    cv2().imwrite(str(tmp_path / "face.png"), draw_face(backdrop(), 400, 240, 470)[..., ::-1])
    clip = Clip("face", "face", path="face.png", label="anger", valence=0.0)
    found = create_estimator(
        reader.id, ManualClock(), extra_dirs=[folder], signatures=Signatures("off")
    )
    whole = build_estimator(reader, load_model(reader), ManualClock())
    valences = [
        run_clips(estimator, reader, [clip], tmp_path).outcomes[0].prediction.valence
        for estimator in (found, whole)
    ]
    assert valences[0] != pytest.approx(valences[1], abs=0.01)
    clip = dataclasses.replace(clip, valence=valences[0])
    report = evaluate_package(reader, [clip, clip], tmp_path, folders=[folder])
    assert (report.n, report.abstained) == (2, 0.0)


def test_a_model_without_baselines_refuses_the_split(clips: list[Clip], tmp_path: Path) -> None:
    resting = replace(picture(tmp_path, 90, None), speaker="a", split="rest")
    with pytest.raises(ConfigError, match="brightness knows no baseline"):
        run_clips(
            BrightnessEstimator(), package(), [*clips, resting], tmp_path, baseline_split="rest"
        )


class RestingBrightness(BrightnessEstimator):
    """Counts the windows of rest that it is given."""

    def windows_of(self, chunk: Chunk) -> list[Features]:
        return [Features(chunk.t_ns, 0, 1.0, {})]

    def rest(self, windows: Sequence[Features], valid_s: float = 1.0) -> Baseline:
        return Baseline("face", "brightness", (), (), len(windows), expiry(valid_s))

    def adopt(self, baseline: Baseline | None) -> None:
        if baseline is not None:
            assert baseline.windows == 1


def test_rest_of_another_modality_is_no_baseline(clips: list[Clip], tmp_path: Path) -> None:
    seen = replace(picture(tmp_path, 90, None), speaker="a", split="rest")
    heard = [Clip(one, "voice", path="no.wav", speaker=one, split="rest") for one in ("a", "b")]
    estimator = RestingBrightness()
    ran = run_clips(estimator, package(), [*clips, seen, *heard], tmp_path, baseline_split="rest")
    assert (ran.n_baselines, ran.n_left_out) == (1, 3)
    with pytest.raises(DatasetError, match="no face clip has the split 'rest'"):
        run_clips(estimator, package(), [*clips, *heard], tmp_path, baseline_split="rest")


def test_a_split_that_no_clip_has_is_an_error(clips: list[Clip], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no face clip has the split 'rest'"):
        run_clips(BrightnessEstimator(), package(), clips, tmp_path, baseline_split="rest")
