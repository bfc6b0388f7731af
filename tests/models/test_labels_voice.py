"""Each exported file of the voice package names its labels right, on every backend."""

from __future__ import annotations

import importlib.util
import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from edge_emo import vendor
from edge_emo.clock import ManualClock
from edge_emo.datasets.clips import Clip
from edge_emo.datasets.decode import decode_clip
from edge_emo.estimators.voice import VoiceEstimator
from edge_emo.manifest import ModelPackage, find_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import CATEGORIES, Chunk

BACKENDS = {"litert": "ai_edge_litert", "onnx": "onnxruntime", "openvino": "openvino"}
ROOT = Path(__file__).resolve().parents[2]
VOICE = ROOT / "edge_emo" / "assets" / "demo_voice.wav"


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return find_package("voice-mel-small")


@pytest.fixture(params=list(BACKENDS))
def estimator(request: pytest.FixtureRequest, package: ModelPackage) -> VoiceEstimator:
    module = BACKENDS[request.param]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module}: {vendor.VENDORS[module].install}")
    clock = ManualClock()
    return VoiceEstimator(package, load_model(package, backend=request.param), clock)


def test_the_package_is_the_default_voice_and_every_file_is_whole(package: ModelPackage) -> None:
    assert find_package("voice") == package
    assert {file.format for file in package.files} == {"tflite", "onnx"}
    for file in package.files:
        package.verify(file)


def test_labels_are_the_seven_categories(package: ModelPackage) -> None:
    assert package.labels == CATEGORIES
    for table in (package.dimensions.valence, package.dimensions.arousal):
        assert table is not None
        assert set(table) == set(CATEGORIES)


def test_weights_from_research_corpora_are_not_commercial(package: ModelPackage) -> None:
    assert package.licence.commercial is False
    assert {corpus.name for corpus in package.licence.corpora} >= {"ravdess", "nemo"}
    assert "NC" in package.licence.weights


def test_the_estimate_of_the_synthetic_voice_changes(estimator: VoiceEstimator) -> None:
    info, chunk = decode_clip(Clip(clip="demo", modality="voice", path=VOICE.name), VOICE.parent)
    estimator.start(info)
    found = [estimator.predict(features) for features in estimator.features(chunk)]
    assert len(found) == 18
    posteriors = np.array([p.posterior.probabilities for p in found if p.posterior])
    assert len(posteriors) == len(found)
    assert np.ptp(posteriors, axis=0).max() > 0.2


def test_backends_agree(package: ModelPackage) -> None:
    info, chunk = decode_clip(Clip(clip="demo", modality="voice", path=VOICE.name), VOICE.parent)
    answers = []
    for backend, module in BACKENDS.items():
        if importlib.util.find_spec(module) is None:
            continue
        model = load_model(package, backend=backend)
        prediction = VoiceEstimator(package, model, ManualClock()).clip(chunk)
        assert prediction.posterior is not None
        answers.append(prediction.posterior.probabilities)
    assert info.rate_hz == 16000
    assert len(answers) > 1
    np.testing.assert_allclose(answers, [answers[0]] * len(answers), atol=1e-4)


CODES = {"01": "neutral", "03": "happiness", "04": "sadness", "05": "anger"}
CODES |= {"06": "fear", "07": "disgust", "08": "surprise"}
# RAVDESS: emotion, strong (neutral has one intensity only), first sentence, first take, actors
# that the model never heard.
NAME = re.compile(r"03-01-(?:(01)-01|(0[3-8])-02)-01-01-(?:17|18|19|20)")


@pytest.fixture(scope="module")
def spoken(shared_data: Path) -> list[tuple[str, Chunk]]:
    """Return clips of unseen speakers with the category that they were asked to express."""
    if importlib.util.find_spec("soundfile") is None:
        pytest.skip(f"needs soundfile: {vendor.VENDORS['soundfile'].install}")
    soundfile = vendor.load("soundfile")
    found = []
    with tarfile.open(shared_data / "speech" / "ravdess.tar") as archive:
        for member in archive:
            if match := NAME.fullmatch(Path(member.name).stem):
                content = archive.extractfile(member)
                assert content is not None
                data, rate_hz = soundfile.read(
                    io.BytesIO(content.read()), dtype="float32", always_2d=True
                )
                chunk = Chunk("microphone", 0, 0, float(rate_hz), data)
                found.append((CODES[match[1] or match[2]], chunk))
    return found


def test_each_name_gets_more_where_it_is_expressed(
    estimator: VoiceEstimator, spoken: list[tuple[str, Chunk]]
) -> None:
    """Swapped names would give some category less on its own clips than on the others."""
    answers = [(true, estimator.clip(chunk).posterior) for true, chunk in spoken]
    assert len(answers) == 28
    for name in CATEGORIES:
        own = [p[name] for true, p in answers if p is not None and true == name]
        others = [p[name] for true, p in answers if p is not None and true != name]
        assert len(own) == 4
        assert np.mean(own) > 1.5 * np.mean(others), name
