"""What a manifest holds, and the check of a package's files before they are parsed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from edge_emo.errors import ModelError, ModelIntegrityError
from edge_emo.files import open_regular
from edge_emo.types import Modality

MANIFEST = "model.toml"
FORMATS = ("tflite", "onnx", "openvino-ir", "openvino-bin")
"""``openvino-ir`` is the .xml; its weights are a file of their own of format ``openvino-bin``."""
PRECISIONS = ("float32", "float16", "int8")
TARGETS = ("rpi", "openvino", "jetson")
TASKS = ("estimate", "detect", "landmarks")
"""``estimate``: gives labels of a modality. ``detect``: finds what an estimator then reads.
``landmarks``: places its landmarks."""
DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64")
DIMENSIONS = ("valence", "arousal", "dominance")
COVERABLE = ("eyes", "mouth")
"""Parts of a face whose covering a network may tell, in log-odds."""
REINSTALL = "reinstall the package, or restore the folder from where it came"
LICENSE_POLICIES = ("any", "commercial")


@dataclass(frozen=True, slots=True)
class Corpus:
    """A training corpus.

    Attributes:
        name: Its name.
        licence: Its licence, SPDX or words.
    """

    name: str
    licence: str


@dataclass(frozen=True, slots=True)
class Licence:
    """What the weights may be used for.

    Attributes:
        weights: Licence of the weights, SPDX or words.
        commercial: True when every corpus allows commercial use of what was trained on it.
        corpora: The training corpora.
    """

    weights: str
    commercial: bool
    corpora: tuple[Corpus, ...]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One compiled file.

    Attributes:
        path: Relative to the package's folder, with forward slashes.
        format: One of :data:`FORMATS`.
        precision: One of :data:`PRECISIONS`: what the weights are stored as.
        bytes: Size in bytes.
        sha256: SHA-256 in lower-case hexadecimal.
        target: What it was compiled for, one of :data:`TARGETS`; empty when for no one target.
        temperature: Fitted for this file; None when the package's own holds.
        threshold: Of a detector, the least score of a face chosen for this file; None likewise.
    """

    path: str
    format: str
    precision: str
    bytes: int
    sha256: str
    target: str = ""
    temperature: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: The name that estimators use.
        shape: Size of each axis, batch axis included.
        layout: One letter per axis, such as ``NCHW``.
        dtype: NumPy's name of the element type.
        colour: ``grey``, ``rgb`` or ``bgr`` for pictures, else None.
        labels: Names along the last axis, in order; empty when it has none.
    """

    name: str
    shape: tuple[int, ...]
    layout: str
    dtype: str
    colour: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DimensionTable:
    """How a posterior becomes valence, arousal and dominance.

    Attributes:
        source: ``mapping``: the expected value of the tables below under the posterior.
            ``model``: the model has an output whose labels are the dimensions' names.
            ``mixed``: such an output for some, and tables for others.
        valence: Value in −1 … 1 of each label, or None when the labels do not give it.
        arousal: Likewise.
        dominance: Likewise.
    """

    source: Literal["mapping", "model", "mixed"]
    valence: Mapping[str, float] | None = None
    arousal: Mapping[str, float] | None = None
    dominance: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class ReferenceMetrics:
    """What ``edge-emo evaluate`` measured on an exported file, copied from metrics.json.

    Attributes:
        split: The clips in words.
        backend: The backend that ran.
        n: Number of clips.
        accuracy: 0 … 1; an abstention counts as an error.
        unweighted_average_recall: 0 … 1.
        macro_f1: 0 … 1.
        expected_calibration_error: 0 … 1.
        precision: Precision of the file that ran; empty when not said.
    """

    split: str
    backend: str
    n: int
    accuracy: float
    unweighted_average_recall: float
    macro_f1: float
    expected_calibration_error: float
    precision: str = ""


@dataclass(frozen=True, slots=True)
class DetectionMetrics:
    """What was measured on an exported file of a detector, copied from metrics.json.

    Attributes:
        split: The pictures in words.
        backend: The backend that ran.
        precision: Precision of the file that ran.
        n: Number of faces to be found.
        recall: Share of them that was found, 0 … 1.
        false_per_image: Mean number of false alarms of one picture.
        landmark_error: Mean distance of the landmarks over the distance between the eyes.
    """

    split: str
    backend: str
    precision: str
    n: int
    recall: float
    false_per_image: float
    landmark_error: float


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A model package as its ``model.toml`` describes it.

    Attributes:
        folder: Where it is.
        id: Its name, equal to the folder's.
        version: Version of the weights.
        modality: What it estimates.
        default: True for the package that the modality's name stands for; of a detector, that
            it is the one used where none is named.
        summary: One sentence.
        licence: Licence of weights and corpora.
        files: Compiled files.
        inputs: Input tensors.
        outputs: Output tensors.
        features: Parameters of the feature code, read by the estimator.
        temperature: Divides the logits before softmax (probability calibration).
        dimensions: How labels become dimensions.
        reliability: Weight of its vote in the fusion, 0 … 1.
        metrics: What was measured.
        task: One of :data:`TASKS`. What detects, or places landmarks, has no labels, and no
            modality's name stands for it.
        detection: What was measured of a detector.
        digest: SHA-256 of the ``model.toml`` that this was read from, in lower-case hexadecimal;
            empty when it was read from none.
    """

    folder: Path
    id: str
    version: str
    modality: Modality
    default: bool
    summary: str
    licence: Licence
    files: tuple[ModelFile, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    features: Mapping[str, Any]
    temperature: float
    dimensions: DimensionTable
    reliability: float
    metrics: tuple[ReferenceMetrics, ...] = ()
    task: str = "estimate"
    detection: tuple[DetectionMetrics, ...] = ()
    digest: str = ""

    @property
    def categories(self) -> TensorSpec:
        """The output that carries one logit per label.

        Raises:
            ModelError: The package estimates nothing.
        """
        if self.task != "estimate":
            raise ModelError(
                f"model package {self.id} estimates nothing: it has no labels",
                hint="name a package that estimates (see: edge-emo models)",
            )
        return next(spec for spec in self.outputs if is_categorical(spec))

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits."""
        return self.categories.labels

    def as_run_by(self, file: ModelFile | None) -> ModelPackage:
        """Return the package with what was chosen for one of its files: temperature, threshold."""
        if file is None:
            return self
        own = {} if file.threshold is None else {"threshold": file.threshold}
        temperature = self.temperature if file.temperature is None else file.temperature
        return replace(self, temperature=temperature, features={**self.features, **own})

    def path(self, file: ModelFile) -> Path:
        """Return where a file of this package is."""
        return self.folder / file.path

    def verify(self, file: ModelFile) -> Path:
        """Check size, then SHA-256, of a file (and of the weights that belong to an .xml).

        Returns:
            Where the file is; only now may it be parsed.

        Raises:
            ModelIntegrityError: It is missing, or is not the file that the manifest describes.
        """
        path = self.path(file)
        self.content(file)
        if file.format == "openvino-ir":
            weights = str(PurePosixPath(file.path).with_suffix(".bin"))
            self.verify(next(other for other in self.files if other.path == weights))
        return path

    def content(self, file: ModelFile) -> bytes:
        """Read a file once and check it: what is parsed cannot be another file by then.

        Raises:
            ModelIntegrityError: As :meth:`verify`.
        """
        return _checked_bytes(self, file, self.path(file))


def is_dimensional(spec: TensorSpec) -> bool:
    """Tell whether an output gives valence, arousal or dominance itself."""
    return bool(spec.labels) and set(spec.labels) <= set(DIMENSIONS)


def is_covering(spec: TensorSpec) -> bool:
    """Tell whether an output gives the log-odds that parts of the face are covered."""
    return bool(spec.labels) and set(spec.labels) <= set(COVERABLE)


def is_categorical(spec: TensorSpec) -> bool:
    """Tell whether an output gives one logit per label of the package."""
    return bool(spec.labels) and not is_dimensional(spec) and not is_covering(spec)


def _checked_bytes(package: ModelPackage, file: ModelFile, path: Path) -> bytes:
    try:
        with open_regular(path) as opened:
            size = os.fstat(opened.fileno()).st_size
            found = f"{size} bytes, not {file.bytes}"
            if size == file.bytes:
                content = opened.read()
                digest = hashlib.sha256(content).hexdigest()
                found = f"SHA-256 {digest}, not {file.sha256}"
                if digest == file.sha256:
                    return content
    except OSError as error:
        found = f"cannot be read: {error.strerror}"
    raise ModelIntegrityError(
        f"{path} is not the file that {package.id} {package.version} describes: {found}",
        hint=REINSTALL,
    )
