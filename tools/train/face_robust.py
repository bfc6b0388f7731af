"""What picture faults cost a face model: the exported file on pictures made worse on purpose.

The pictures reach the model as the estimator prepares a crop: grey, resized to the input's
side, mean 0 and deviation 1. What the estimator would refuse is judged here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import calibrate
import cv2
import face_net
import numpy as np
import numpy.typing as npt
from face_data import Faces
from latency import RUNS

from edge_emo.features.face import standardise
from edge_emo.manifest import ModelFile, ModelPackage, read_package
from edge_emo.runtime.choose import Candidate, load_candidate

Grey = npt.NDArray[np.uint8]
Fault = Callable[[Grey, np.random.Generator], Grey]
NATIVE_PX = 48
MASK_GREY = 180
MASK_TOP_PX = 27
SEED = 7


def table(folder: Path, faces: Faces, precisions: Sequence[str]) -> list[dict[str, Any]]:
    """Measure every fault.

    Args:
        folder: The model package.
        faces: Labelled pictures of no training step.
        precisions: Of the files to measure: LiteRT's where there is one.

    Returns:
        A row for each fault: ``fault``, and for each precision the figures of
        :func:`calibrate.figures` at the package's temperature.
    """
    package = read_package(folder)
    rows = [{"fault": name} for name in FAULTS]
    for precision in precisions:
        temperature = package.as_run_by(_file(package, precision)).temperature
        for row, fault in zip(rows, FAULTS.values(), strict=True):
            pictures = spoiled(faces.images, fault)
            answers = run(folder, pictures, precision)
            row[precision] = dict(calibrate.figures(answers, faces.labels, temperature))
    return rows


def spoiled(images: Grey, fault: Fault) -> list[Grey]:
    """Return each picture with one fault; the same random numbers at every call."""
    rng = np.random.default_rng(SEED)
    return [fault(image, rng) for image in images]


def run(folder: Path, pictures: Sequence[Grey], precision: str) -> npt.NDArray[np.float32]:
    """Return the logits (n, classes) of a package's file of one precision."""
    package = read_package(folder)
    file = _file(package, precision)
    model = load_candidate(package, Candidate(RUNS[file.format], file.path, precision))
    side = face_net.INPUT_PX
    answers = []
    for picture in pictures:
        image = standardise(_resized(picture, side))[np.newaxis, np.newaxis]
        answers.append(model.run({"image": image})["logits"])
    model.close()
    return np.concatenate(answers)


def _file(package: ModelPackage, precision: str) -> ModelFile:
    """Return the file of a precision for LiteRT, else for ONNX Runtime, else for OpenVINO."""
    files = [f for f in package.files if f.precision == precision and f.format in RUNS]
    return min(files, key=lambda file: list(RUNS).index(file.format))


def _resized(picture: Grey, side: int) -> Grey:
    how = cv2.INTER_AREA if min(picture.shape) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (side, side), interpolation=how), np.uint8)


def _side(side: int) -> Fault:
    def seen(image: Grey, rng: np.random.Generator) -> Grey:
        how = cv2.INTER_AREA if side < NATIVE_PX else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(image, (side, side), interpolation=how), np.uint8)

    return seen


def _blur(deviation_px: float) -> Fault:
    return lambda image, rng: np.asarray(cv2.GaussianBlur(image, (0, 0), deviation_px), np.uint8)


def _noise(deviation: float) -> Fault:
    return lambda image, rng: _clipped(image + rng.normal(0.0, deviation, image.shape))


def _dark(share: float) -> Fault:
    """Less light on the same sensor: its noise, 3 grey levels, stays."""
    return lambda image, rng: _clipped(image * share + rng.normal(0.0, 3.0, image.shape))


def _side_light(image: Grey, rng: np.random.Generator) -> Grey:
    slope = np.linspace(0.2, 1.2, image.shape[1])
    return _clipped(image * (slope if rng.random() < 0.5 else slope[::-1]))


def _turned(degrees: float) -> Fault:
    def turned(image: Grey, rng: np.random.Generator) -> Grey:
        middle = (image.shape[1] - 1) / 2
        sign = 1.0 if rng.random() < 0.5 else -1.0
        turn = cv2.getRotationMatrix2D((middle, middle), sign * degrees, 1.0)
        size = image.shape[::-1]
        moved = cv2.warpAffine(image, turn, size, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.uint8)

    return turned


def _masked(image: Grey, rng: np.random.Generator) -> Grey:
    covered = image.copy()
    covered[MASK_TOP_PX:] = MASK_GREY
    return covered


def _eyes_covered(image: Grey, rng: np.random.Generator) -> Grey:
    covered = image.copy()
    covered[12:24] = 30
    return covered


def _jpeg(quality: int) -> Fault:
    def coded(image: Grey, rng: np.random.Generator) -> Grey:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)

    return coded


def _clipped(values: npt.NDArray[np.floating]) -> Grey:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


FAULTS: Mapping[str, Fault] = {
    "none: 48 px as they are": lambda image, rng: image,
    "96 px: enlarged from 48 px, no detail added": _side(96),
    "64 px: enlarged from 48 px, no detail added": _side(64),
    "36 px": _side(36),
    "24 px": _side(24),
    "16 px": _side(16),
    "blur, deviation 1 px of 48": _blur(1.0),
    "blur, deviation 2 px of 48": _blur(2.0),
    "noise, deviation 10 of 255": _noise(10.0),
    "noise, deviation 25 of 255": _noise(25.0),
    "half the light": _dark(0.5),
    "an eighth of the light": _dark(0.125),
    "light from one side, 0.2 to 1.2": _side_light,
    "JPEG quality 20": _jpeg(20),
    "turned 15° in the picture": _turned(15.0),
    "turned 30° in the picture": _turned(30.0),
    "lower half covered, as by a mask": _masked,
    "eyes covered, as by dark glasses": _eyes_covered,
}
"""By name. Turning and side light take either side at random."""
