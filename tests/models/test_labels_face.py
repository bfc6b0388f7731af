"""Each exported file of every face package names its outputs right, on every backend."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ManualClock
from edge_emo.estimators.face import FaceEstimator
from edge_emo.features.face import read_crop, settings_from
from edge_emo.manifest import (
    DIMENSIONS,
    ModelPackage,
    find_package,
    is_covering,
    is_dimensional,
    list_packages,
)
from edge_emo.runtime.base import LoadedModel
from edge_emo.runtime.choose import load_model
from edge_emo.types import CATEGORIES, Chunk, Prediction
from tests.models.files import need, runnable

Pictures = list[npt.NDArray[np.uint8]]
PACKAGES = [p for p in list_packages() if (p.modality, p.task) == ("face", "estimate")]
RUNS = [pytest.param(p, *run, id="-".join([p.id, *run])) for p in PACKAGES for run in runnable(p)]
COVERING = [run for run in RUNS if any(map(is_covering, run.values[0].outputs))]
OTHERS = [
    pytest.param(p, backend, id=f"{p.id}-{backend}")
    for p in PACKAGES
    for backend, precision in runnable(p)
    if precision == "float32" and backend != "onnx"
]


@pytest.fixture(scope="module", params=PACKAGES, ids=lambda package: package.id)
def package(request: pytest.FixtureRequest) -> ModelPackage:
    given: ModelPackage = request.param
    return given


def drawings() -> Pictures:
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
    pictures: Pictures,
    precision: str = "float32",
) -> list[Prediction]:
    model = load_model(package, backend=backend, precision=precision)
    estimator = FaceEstimator(package, model, ManualClock())
    found = [estimator.clip(Chunk("camera", 0, 0, 0.0, p)) for p in pictures]
    estimator.close()
    return found


def test_one_package_is_the_default_face() -> None:
    assert [package.id for package in PACKAGES if package.default] == [find_package("face").id]


def test_every_file_is_whole(package: ModelPackage) -> None:
    assert {file.format for file in package.files} >= {"tflite", "onnx"}
    for file in package.files:
        package.verify(file)


def test_labels_are_the_seven_categories_and_every_dimension_is_given(
    package: ModelPackage,
) -> None:
    assert package.labels == CATEGORIES
    own = {name for spec in package.outputs if is_dimensional(spec) for name in spec.labels}
    for name in DIMENSIONS:
        table = getattr(package.dimensions, name)
        assert name in own if table is None else set(table) == set(CATEGORIES)


def test_weights_from_research_pictures_are_not_commercial(package: ModelPackage) -> None:
    assert package.licence.commercial is False


def test_no_file_tells_where_it_was_made(package: ModelPackage) -> None:
    here = str(Path(__file__).resolve().parents[2]).encode()
    for path in package.folder.iterdir():
        content = path.read_bytes()
        assert here not in content, path.name
        assert b"site-packages" not in content, path.name


@pytest.mark.parametrize(("package", "other"), OTHERS)
def test_every_file_gives_the_same_label(package: ModelPackage, other: str) -> None:
    need("onnx")
    need(other)
    reference = answers(package, "onnx", drawings())
    found = answers(package, other, drawings())
    assert [one.abstained for one in reference] == [two.abstained for two in found]
    pairs = [
        (one.posterior, two.posterior)
        for one, two in zip(reference, found, strict=True)
        if one.posterior and two.posterior
    ]
    assert len({one.label for one, _ in pairs}) > 1
    for one, two in pairs:
        assert one.label == two.label
        for name in CATEGORIES:
            assert abs(one[name] - two[name]) < 1e-3


def test_the_files_for_a_small_board_fit_a_megabyte(package: ModelPackage) -> None:
    assert min(f.bytes for f in package.files if f.format == "tflite") <= 1_000_000


@pytest.fixture(scope="module")
def seen(shared_data: Path) -> dict[str, Pictures]:
    """The eight pictures of each category in which most people saw it."""
    votes = np.load(shared_data / "face" / "fer2013plus_labels.npz")
    columns = [str(name) for name in votes["vote_columns"]]
    with lzma.open(shared_data / "face" / "fer2013plus_images.npy.xz") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        pixels = np.frombuffer(file.read(6000 * 48 * 48), np.uint8).reshape(-1, 48, 48)
    colour = np.repeat(pixels[..., np.newaxis], 3, axis=3)
    counts = {name: votes["votes"][:6000, columns.index(name)].astype(int) for name in CATEGORIES}
    return {
        name: list(colour[np.argsort(-count, kind="stable")[:8]]) for name, count in counts.items()
    }


@pytest.mark.parametrize(("package", "backend", "precision"), RUNS)
def test_each_name_gets_more_where_people_saw_it(
    package: ModelPackage, backend: str, precision: str, seen: dict[str, Pictures]
) -> None:
    """Swapped names would give some category less on its own pictures than on the others."""
    need(backend)
    made = {name: answers(package, backend, seen[name], precision) for name in CATEGORIES}
    true = {name: [p.posterior for p in made[name] if p.posterior] for name in CATEGORIES}
    for name in CATEGORIES:
        assert len(true[name]) >= 6
        own = np.mean([p[name] for p in true[name]])
        others = np.mean([p[name] for label in CATEGORIES if label != name for p in true[label]])
        assert own > 2.0 * others, name


@pytest.mark.parametrize(("package", "backend", "precision"), RUNS)
def test_dimensions_lie_where_their_names_say(
    package: ModelPackage, backend: str, precision: str, seen: dict[str, Pictures]
) -> None:
    need(backend)

    def mean(label: str, dimension: str) -> float:
        made = answers(package, backend, seen[label], precision)
        return float(np.mean([getattr(p, dimension) for p in made if p.posterior]))

    for unpleasant in ("anger", "sadness", "fear", "disgust"):
        assert mean("happiness", "valence") > mean(unpleasant, "valence") + 0.2
    for aroused in ("surprise", "anger", "fear"):
        assert mean(aroused, "arousal") > mean("sadness", "arousal") + 0.1


@pytest.mark.parametrize(("package", "backend", "precision"), COVERING)
def test_what_is_covered_is_named(
    package: ModelPackage, backend: str, precision: str, seen: dict[str, Pictures]
) -> None:
    """A patch over the eyes or the mouth raises the log-odds of the part that it covers most."""
    need(backend)
    pictures = [picture for name in CATEGORIES for picture in seen[name]]
    model = load_model(package, backend=backend, precision=precision)
    bare = covered(package, model, pictures)
    for part, rows in (("eyes", slice(10, 24)), ("mouth", slice(30, 46))):
        patched = [picture.copy() for picture in pictures]
        for picture in patched:
            picture[rows, 6:42] = 60
        now = covered(package, model, patched)
        other = "mouth" if part == "eyes" else "eyes"
        assert now[part] - bare[part] > 2.0
        assert now[part] - bare[part] > now[other] - bare[other]
    model.close()


def covered(package: ModelPackage, model: LoadedModel, pictures: Pictures) -> dict[str, float]:
    """Return the mean log-odds by the name of the part."""
    settings = settings_from(package.features, package.id)
    spec = next(filter(is_covering, package.outputs))
    crops = [read_crop(picture, settings).image for picture in pictures]
    rows = [
        np.array(model.run({package.inputs[0].name: crop})[spec.name][0])
        for crop in crops
        if crop is not None
    ]
    return dict(zip(spec.labels, np.mean(rows, axis=0).tolist(), strict=True))
