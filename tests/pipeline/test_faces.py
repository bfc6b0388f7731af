"""Faces through the whole pipeline: packages on disk, a virtual camera, states and faces."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edge_emo import Config, Face, Pipeline
from edge_emo.config import Faces, Models, Streams
from edge_emo.errors import ClosedError, ConfigError, ModelError, ModelMismatchError
from edge_emo.estimators.face_finder import load_face_detector
from edge_emo.manifest import Signatures, find_detector, find_landmarks, find_package, list_packages
from edge_emo.types import EmotionState
from tests.fakes.face_packages import write_packages, write_portrait

pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'edge-emo[onnx]'")


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(folders=(str(write_packages(tmp_path / "packages")),), signatures="off")


@pytest.fixture
def camera(tmp_path: Path) -> str:
    return f"virtual:?image={write_portrait(tmp_path / 'portrait.png')}&seed=2&duration_s=2"


def record(tmp_path: Path, camera: str, models: Models) -> Path:
    folder = tmp_path / "session"
    config = Config(streams=Streams(camera=camera), models=models)
    with Pipeline(config=config, sinks=[f"record:{folder}?raw=true"]) as pipeline:
        pipeline.run()
    return folder


def watch(folder: Path, config: Config) -> list[tuple[EmotionState, tuple[Face, ...]]]:
    """Return each state of a replay with the faces that it was made of."""
    steps: list[tuple[EmotionState, tuple[Face, ...]]] = []
    with Pipeline.replay(folder, config=config) as pipeline:
        pipeline.subscribe(lambda state: steps.append((state, pipeline.faces)))
        for _ in pipeline:
            pass
    return steps


def test_a_face_gives_labels_and_is_shown(tmp_path: Path, camera: str, models: Models) -> None:
    steps = watch(record(tmp_path, camera, models), Config(models=models))
    shown = [(state, faces) for state, faces in steps if faces and state.expressed]
    assert len(shown) > 10
    assert {face.id for _, faces in shown for face in faces if face.counts} == {1}
    state, (face, *_) = shown[-1]
    assert state.by_modality["face"].model_id == "drawn-reader"
    assert face.prediction == state.by_modality["face"]
    assert state.valence is not None
    assert 250 < face.box.height < 480
    eyes = face.landmarks["left eye"][0] - face.landmarks["right eye"][0]
    assert eyes == pytest.approx(0.38 * face.box.height, rel=0.1)


def test_a_replay_follows_the_same_faces(tmp_path: Path, camera: str, models: Models) -> None:
    folder = record(tmp_path, camera, models)
    everybody = Config(models=models, face=Faces(estimate="all", keep_s=0.3))
    first = watch(folder, everybody)
    assert watch(folder, everybody) == first
    assert any(faces for _, faces in first)


def test_without_a_camera_there_are_no_faces() -> None:
    pipeline = Pipeline(eeg="virtual:")
    with pytest.raises(ClosedError):
        _ = pipeline.faces
    with pipeline:
        assert pipeline.faces == ()


def test_a_camera_that_vanishes_leaves_no_faces(camera: str, models: Models) -> None:
    vanishing = camera.replace("duration_s=2", "vanish_after_s=1")
    with Pipeline(camera=vanishing, config=Config(models=models)) as pipeline:
        seen = False
        for state in pipeline:
            seen = seen or bool(pipeline.faces)
            if seen and not pipeline.faces:
                break
            assert state.t_ns < 10e9
    assert seen
    assert state.t_ns >= 1e9


def test_a_detector_can_be_named(models: Models) -> None:
    wrong = dataclasses.replace(models, face_detector="drawn-reader")
    with pytest.raises(ModelError, match="drawn-reader does not find what face models read"):
        Pipeline(camera="virtual:", config=Config(models=wrong)).open()
    right = dataclasses.replace(models, face_detector="drawn-finder")
    with Pipeline(camera="virtual:", config=Config(models=right)) as pipeline:
        assert pipeline.packages == {"face": "drawn-reader"}


def test_an_unknown_policy_is_a_configuration_error(models: Models) -> None:
    config = Config(models=models, face=Faces(policy="tallest"))
    with pytest.raises(ConfigError, match=r"face\.policy = 'tallest'") as caught:
        Pipeline(camera="virtual:", config=config).open()
    assert "largest_central" in caught.value.hint


def test_a_named_backend_is_named_for_the_detector_too(models: Models) -> None:
    other = dataclasses.replace(models, backend="litert")
    with pytest.raises(ModelError, match="drawn-finder"):
        Pipeline(camera="virtual:", config=Config(models=other)).open()


def test_a_package_that_only_finds_faces_estimates_none(models: Models) -> None:
    package = find_detector(None, "face", models.folders)
    assert package is not None
    assert package.id == "drawn-finder"
    assert {p.id for p in list_packages(models.folders)} > {"drawn-finder", "drawn-reader"}
    named = dataclasses.replace(models, face="drawn-finder")
    with pytest.raises(ConfigError, match="task is 'detect'"):
        Pipeline(camera="virtual:", config=Config(models=named)).open()


def test_a_detector_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = write_packages(tmp_path / "packages")
    manifest = folder / "drawn-finder" / "model.toml"
    manifest.write_text(manifest.read_text().replace("width_px = 160", "width_px = 320"))
    with pytest.raises(ModelMismatchError, match="tensor image is") as caught:
        load_face_detector(extra_dirs=[folder], signatures=Signatures("off"))
    assert "width_px" in caught.value.hint


def test_a_detector_has_the_threshold_of_the_file_that_was_loaded(tmp_path: Path) -> None:
    folder = write_packages(tmp_path / "packages")
    manifest = folder / "drawn-finder" / "model.toml"
    scores = []
    for own in ("", "threshold = 0.75\n"):
        manifest.write_text(manifest.read_text().replace("sha256 =", f"{own}sha256 ="))
        detector = load_face_detector(extra_dirs=[folder], signatures=Signatures("off"))
        assert detector is not None
        scores.append(detector.begin_score)
        detector.close()
    assert scores == [0.5, 0.75]


def test_a_detector_takes_landmarks_from_its_own_folder_only(tmp_path: Path) -> None:
    folder = write_packages(tmp_path / "packages")
    assert find_landmarks(find_package("face-detector-small")) is not None
    assert find_landmarks(find_package("drawn-finder", [folder])) is None


def test_research_only_detectors_are_refused_for_commercial_use(tmp_path: Path) -> None:
    folder = write_packages(tmp_path / "packages")
    manifest = folder / "drawn-finder" / "model.toml"
    manifest.write_text(manifest.read_text().replace("commercial = true", "commercial = false"))
    with pytest.raises(ModelError, match="drawn-finder is not licensed for commercial use"):
        load_face_detector(extra_dirs=[folder], license_policy="commercial")
