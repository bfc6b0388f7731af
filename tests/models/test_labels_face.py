"""Each exported file of the face package names its labels right, on every backend."""

from __future__ import annotations

import importlib.util
import lzma
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo import vendor
from edge_emo.clock import ManualClock
from edge_emo.estimators.face import FaceEstimator
from edge_emo.manifest import ModelPackage, find_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import CATEGORIES, Chunk, Posterior

BACKENDS = {"litert": "ai_edge_litert", "onnx": "onnxruntime", "openvino": "openvino"}


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return find_package("face-fer-small")


def needed(name: str) -> str:
    module = BACKENDS[name]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module}: {vendor.VENDORS[module].install}")
    return name


def drawings() -> list[npt.NDArray[np.uint8]]:
    """Faces of a few strokes on grey, mouths up, flat and down, and blotches."""
    pictures = []
    rows, columns = np.mgrid[0:48, 0:48]
    for bend in np.linspace(-0.04, 0.04, 8):
        face = np.where(np.hypot(rows - 24, columns - 24) < 22, 190.0, 60.0)
        for x in (15, 33):
            face[np.hypot(rows - 18, columns - x) < 3] = 30.0
        mouth = 36 - bend * (columns - 24) ** 2
        face[(np.abs(rows - mouth) < 1.5) & (np.abs(columns - 24) < 11)] = 30.0
        pictures.append(face)
    rng = np.random.default_rng(2)
    pictures += [np.kron(rng.integers(0, 255, (6, 6)), np.ones((8, 8))) for _ in range(8)]
    return [np.repeat(p.astype(np.uint8)[..., np.newaxis], 3, axis=2) for p in pictures]


def answers(
    package: ModelPackage,
    backend: str,
    pictures: list[npt.NDArray[np.uint8]],
    precision: str = "float32",
) -> list[Posterior]:
    model = load_model(package, backend=backend, precision=precision)
    estimator = FaceEstimator(package, model, ManualClock())
    found = [estimator.clip(Chunk("camera", 0, 0, 0.0, p)).posterior for p in pictures]
    estimator.close()
    return [posterior for posterior in found if posterior is not None]


def test_the_package_is_the_default_face_and_every_file_is_whole(package: ModelPackage) -> None:
    assert find_package("face") == package
    assert {file.format for file in package.files} == {"tflite", "onnx"}
    for file in package.files:
        package.verify(file)


def test_labels_and_tables_are_the_seven_categories(package: ModelPackage) -> None:
    assert package.labels == CATEGORIES
    for name in ("valence", "arousal", "dominance"):
        assert set(getattr(package.dimensions, name)) == set(CATEGORIES)


def test_weights_from_research_pictures_are_not_commercial(package: ModelPackage) -> None:
    assert package.licence.commercial is False


def test_no_file_tells_where_it_was_made(package: ModelPackage) -> None:
    here = str(Path(__file__).resolve().parents[2]).encode()
    for path in package.folder.iterdir():
        content = path.read_bytes()
        assert here not in content, path.name
        assert b"site-packages" not in content, path.name


@pytest.mark.parametrize("other", ["onnx", "openvino"])
def test_every_file_gives_the_same_label(package: ModelPackage, other: str) -> None:
    reference = answers(package, needed("litert"), drawings())
    found = answers(package, needed(other), drawings())
    assert len(reference) == len(found) == 16
    assert len({posterior.label for posterior in reference}) > 1
    for one, two in zip(reference, found, strict=True):
        assert one.label == two.label
        for name in CATEGORIES:
            assert abs(one[name] - two[name]) < 1e-3


def test_int8_is_there_but_never_first_unmeasured(package: ModelPackage) -> None:
    precisions = [file.precision for file in package.files]
    assert precisions.count("int8") == 1
    assert precisions[0] == "float32"
    assert max(f.bytes for f in package.files if f.precision == "int8") <= 1_000_000


@pytest.mark.parametrize(
    ("backend", "precision"),
    [("litert", "float32"), ("litert", "int8"), ("onnx", "float32"), ("openvino", "float32")],
)
def test_each_name_gets_more_where_people_saw_it(
    package: ModelPackage, backend: str, precision: str, shared_data: Path
) -> None:
    """Swapped names would give some category less on its own pictures than on the others."""
    needed(backend)
    votes = np.load(shared_data / "face" / "fer2013plus_labels.npz")
    columns = [str(name) for name in votes["vote_columns"]]
    with lzma.open(shared_data / "face" / "fer2013plus_images.npy.xz") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        pixels = np.frombuffer(file.read(6000 * 48 * 48), np.uint8).reshape(-1, 48, 48)
    true = {}
    for name in CATEGORIES:
        rows = np.argsort(-votes["votes"][:6000, columns.index(name)].astype(int), kind="stable")[
            :8
        ]
        colour = np.repeat(pixels[rows][..., np.newaxis], 3, axis=3)
        true[name] = answers(package, backend, list(colour), precision)
        assert len(true[name]) == 8
    for name in CATEGORIES:
        own = np.mean([p[name] for p in true[name]])
        others = np.mean([p[name] for label in CATEGORIES if label != name for p in true[label]])
        assert own > 2.0 * others, name
