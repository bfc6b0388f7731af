"""Each exported file of the voice packages names its labels right, on every backend."""

from __future__ import annotations

import functools
import importlib.util
import io
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from edge_emo import vendor
from edge_emo.clock import ManualClock
from edge_emo.datasets.clips import Clip
from edge_emo.datasets.decode import decode_clip
from edge_emo.estimators.voice import VoiceEstimator
from edge_emo.features.voice_functionals import functionals
from edge_emo.manifest import ModelPackage, find_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import CATEGORIES, Chunk, Prediction
from tests.models.files import MODULES, need, runnable

PACKAGES = {"voice-expression-small": CATEGORIES, "voice-expression-commercial": CATEGORIES[:-1]}
RUNS = [(name, *run) for name in PACKAGES for run in runnable(find_package(name))]
ROOT = Path(__file__).resolve().parents[2]
VOICE = ROOT / "edge_emo" / "assets" / "demo_voice.wav"

# Speakers that no package was trained on. RAVDESS: emotion, strong (neutral has one intensity
# only), actors 15 and 16. EmoDB: emotion, speaker 03.
RAVDESS = dict(zip(("01", "03", "04", "05", "06", "07", "08"),
                   ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise"),
                   strict=True))  # fmt: skip
EMODB = {"W": "anger", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness"}
EMODB |= {"N": "neutral"}
UNSEEN: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "voice-expression-small": ("ravdess", r"03-01-(01(?=-01)|0[3-8](?=-02)).*-(?:15|16)", RAVDESS),
    "voice-expression-commercial": ("emodb", r"03[ab]\d\d([WEAFTN])[a-z]", EMODB),
}


@pytest.fixture(scope="module", params=list(PACKAGES))
def package(request: pytest.FixtureRequest) -> ModelPackage:
    return find_package(request.param)


@pytest.fixture(params=RUNS, ids="-".join)
def estimator(request: pytest.FixtureRequest) -> VoiceEstimator:
    name, backend, precision = request.param
    package = find_package(name)
    need(backend)
    model = load_model(package, backend=backend, precision=precision)
    return VoiceEstimator(package, model, ManualClock())


def test_every_file_is_whole_and_the_small_one_fits_a_megabyte(package: ModelPackage) -> None:
    files = {(file.format, file.precision) for file in package.files}
    assert files >= {("tflite", "int8"), ("onnx", "float32")}
    for file in package.files:
        package.verify(file)
    assert min(file.bytes for file in package.files if file.precision == "int8") <= 1_000_000


def test_labels_are_named(package: ModelPackage) -> None:
    assert package.labels == PACKAGES[package.id]
    outputs = {spec.name: spec.labels for spec in package.outputs}
    assert outputs["affect"] == ("arousal", "valence")
    assert outputs["kind"] == ("speech", "vocal burst", "other sound")


def test_the_research_package_is_the_default_and_not_commercial() -> None:
    research, commercial = map(find_package, PACKAGES)
    assert find_package("voice") == research
    assert research.licence.commercial is False
    assert "NC" in research.licence.weights
    assert commercial.licence.commercial is True
    assert not [c for c in commercial.licence.corpora if "NC" in c.licence or "none" in c.licence]


def test_the_synthetic_voice_gets_estimates_that_change(estimator: VoiceEstimator) -> None:
    info, chunk = decode_clip(Clip(clip="demo", modality="voice", path=VOICE.name), VOICE.parent)
    estimator.start(info)
    found = [estimator.predict(features) for features in estimator.features(chunk)]
    assert len(found) >= 18
    rows = np.array([p.posterior.probabilities for p in found if p.posterior])
    assert len(rows) >= 12
    assert np.ptp(rows, axis=0).max() > 0.05
    assert {p.abstained for p in found if p.posterior is None} <= {
        "another sound, not speech",
        "a vocal burst, not speech",
        "no window of the utterance has an estimate",
    }


def test_float_files_agree_on_every_backend(package: ModelPackage) -> None:
    window = np.random.default_rng(0).standard_normal((1, 1, 298, 64)).astype(np.float32)
    values = {"logmel": window, "functionals": functionals(window[0, 0])[None]}
    given = {spec.name: values[spec.name] for spec in package.inputs}
    answers = []
    for backend, precision in runnable(package):
        if precision == "float32" and importlib.util.find_spec(MODULES[backend]) is not None:
            answers.append(load_model(package, backend=backend, precision=precision).run(given))
    assert len(answers) > 1
    for spec in package.outputs:
        for answer in answers[1:]:
            np.testing.assert_allclose(answer[spec.name], answers[0][spec.name], atol=2e-3)


@pytest.mark.parametrize("kind", ["noise", "motor"])
def test_what_is_no_voice_is_called_another_sound(estimator: VoiceEstimator, kind: str) -> None:
    """Bursts of hiss and a motor: active, and no speech."""
    rng, times_s = np.random.default_rng(3), np.arange(64000) / 16000
    struck = np.exp(-(times_s % 0.7) / 0.25)
    motor = np.sign(np.sin(2 * np.pi * 90 * times_s))
    sound = {"noise": rng.standard_normal(len(times_s)) * struck, "motor": motor}[kind]
    data = np.asarray(0.1 * sound + 1e-4 * rng.standard_normal(len(sound)), np.float32)
    found = estimator.clip(Chunk("microphone", 0, 0, 16000.0, data[:, None]))
    assert found.abstained in {"another sound, not speech", "no speech"}


@pytest.fixture
def spoken(estimator: VoiceEstimator, shared_data: Path) -> list[tuple[str, Chunk]]:
    """Return clips of unseen speakers with the category that they were asked to express."""
    return unseen(estimator.model_id, shared_data)


@functools.cache
def unseen(package: str, shared_data: Path) -> list[tuple[str, Chunk]]:
    if importlib.util.find_spec("soundfile") is None:
        pytest.skip(f"needs soundfile: {vendor.VENDORS['soundfile'].install}")
    soundfile = vendor.load("soundfile")
    corpus, name, codes = UNSEEN[package]
    found = []
    with tarfile.open(shared_data / "speech" / f"{corpus}.tar") as archive:
        for member in archive:
            if match := re.fullmatch(name, Path(member.name).stem):
                content = archive.extractfile(member)
                assert content is not None
                data, rate_hz = soundfile.read(
                    io.BytesIO(content.read()), dtype="float32", always_2d=True
                )
                chunk = Chunk("microphone", 0, 0, float(rate_hz), data)
                found.append((codes[match[1]], chunk))
    return found


def test_each_name_gets_more_where_it_is_expressed(
    estimator: VoiceEstimator, spoken: list[tuple[str, Chunk]]
) -> None:
    """Swapped names would give some category less on its own clips than on the others."""
    answers = [(true, estimator.clip(chunk)) for true, chunk in spoken]
    labels = PACKAGES[estimator.model_id]
    assert {true for true, _ in answers} == set(labels)
    assert sum(p.posterior is not None for _, p in answers) > 0.9 * len(answers)
    for name in labels:
        own, others = shares(answers, name)
        assert np.mean(own) > 1.5 * np.mean(others), name
    assert mean_arousal(answers, "anger") > mean_arousal(answers, "sadness") + 0.2


def shares(answers: list[tuple[str, Prediction]], name: str) -> tuple[list[float], list[float]]:
    own = [p.posterior[name] for true, p in answers if p.posterior and true == name]
    others = [p.posterior[name] for true, p in answers if p.posterior and true != name]
    return own, others


def mean_arousal(answers: list[tuple[str, Prediction]], name: str) -> float:
    return float(np.mean([p.arousal for true, p in answers if true == name and p.arousal]))
