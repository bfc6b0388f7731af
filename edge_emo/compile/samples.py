"""Representative inputs: what ranges are taken from, and what candidates are judged on.

Two sources: a manifest of clips (.jsonl), which the package's own estimator turns into model
inputs, as on the device; or an .npz whose arrays are the inputs themselves.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.clock import MonotonicClock
from edge_emo.datasets.clips import Clip, read_clips
from edge_emo.errors import DatasetError
from edge_emo.estimators.create import build_estimator
from edge_emo.estimators.face_finder import load_face_detector
from edge_emo.evaluation.evaluate import Progress, run_clips
from edge_emo.manifest import DIMENSIONS, ModelPackage, Signatures, TensorSpec
from edge_emo.runtime.base import LoadedModel, Tensors

if TYPE_CHECKING:
    import numpy.typing as npt

LABELS, CLIPS, FACES, POINTS = "labels", "clips", "faces", "points"
LEAST = 32
"""Fewer calibration inputs than this say too little of the ranges."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Model inputs, and what is known of them.

    Attributes:
        inputs: One array per input of the manifest, in its order, shape (n, …) without the
            batch axis of 1.
        clips: Shape (n,): the number of the clip that each belongs to, from 0, rising.
        labels: The true label of each clip; None where it is not known. Empty of a detector.
        faces: Of a detector, shape (m, 5): number of the sample, then x, y, width and height of
            a true face in pixels of the input; None when they are not known.
        points: Of what places landmarks, shape (n, 2 k + 1): where its output should lie, in
            units of the output, and the distance between the eyes in that unit; else None.
        values: Shape (n_clips, 3): valence, arousal and dominance of each clip, NaN where it is
            not known; None when none is known.
    """

    inputs: tuple[npt.NDArray[Any], ...]
    clips: npt.NDArray[np.int64]
    labels: tuple[str | None, ...]
    faces: npt.NDArray[np.float64] | None = None
    points: npt.NDArray[np.float64] | None = None
    values: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """Return the number of inputs."""
        return len(self.clips)

    def rows(self, chosen: Sequence[int] | None = None) -> list[list[npt.NDArray[Any]]]:
        """Return inputs ready to be run, batch axis included."""
        numbers = range(len(self)) if chosen is None else chosen
        return [[array[k : k + 1] for array in self.inputs] for k in numbers]

    def save(self, path: Path, package: ModelPackage) -> None:
        """Write an .npz that :func:`read_samples` reads."""
        named: dict[str, Any] = {
            spec.name: array for spec, array in zip(package.inputs, self.inputs, strict=True)
        }
        named[CLIPS] = self.clips
        if self.labels:
            named[LABELS] = np.array([label or "" for label in self.labels])[self.clips]
        truths = {FACES: self.faces, POINTS: self.points}
        named |= {name: truth for name, truth in truths.items() if truth is not None}
        if self.values is not None:
            named |= dict(zip(DIMENSIONS, self.values[self.clips].T, strict=True))
        np.savez(path, **named)


def read_samples(
    package: ModelPackage,
    path: Path,
    root: Path | None = None,
    *,
    model: LoadedModel | None = None,
    baseline_split: str | None = None,
    split: str | None = None,
    progress: Progress | None = None,
) -> Samples:
    """Read representative inputs.

    Args:
        package: Says what the model reads.
        path: A manifest of clips (.jsonl), or an .npz: an array for each input of the package,
            of shape (n, …); for judging, ``labels`` of shape (n,), and ``clips`` of shape (n,)
            where several inputs are of one clip; ``valence``, ``arousal`` and ``dominance`` of
            shape (n,), NaN where unknown; of a detector ``faces``, of landmarks ``points``: see
            :class:`Samples`.
        root: Folder that the clips' paths are relative to; the manifest's own when None.
        model: The float model: it runs over the clips. Not needed for an .npz.
        baseline_split: See :func:`edge_emo.evaluation.evaluate.run_clips`.
        split: Only clips of this split; None for all.
        progress: Told of the beginning, and of every clip done.

    Raises:
        DatasetError: The file is wrong, or its arrays are not of the package's shapes.
    """
    if path.suffix == ".npz":
        if split is not None:
            raise DatasetError(
                f"{path} has no split {split!r}: it holds inputs, not clips",
                hint="leave the split out, or name a manifest of clips (.jsonl)",
            )
        return _from_arrays(package, path)
    if model is None:
        raise DatasetError(f"{path} holds clips, and there is no model to run on them")
    recorder = _Recorder(package, model)
    finder = None
    if package.modality == "face":
        finder = load_face_detector(signatures=Signatures("off"))
    estimator = build_estimator(package, recorder, MonotonicClock(), finder)
    clips = _of_split(path, split, baseline_split)
    ends: list[int] = []

    def note(done: int, total: int) -> None:
        ends.append(len(recorder.seen))
        if progress is not None:
            progress(done, total)

    ran = run_clips(estimator, package, clips, root or path.parent, note, baseline_split)
    counts = np.diff(ends)  # what ran before the first clip was of baselines
    heard = [outcome for outcome, n in zip(ran.outcomes, counts, strict=True) if n]
    labels = tuple(one.clip.label for one in heard)
    numbers = np.repeat(np.arange(len(heard)), counts[counts > 0])
    if not len(numbers):
        raise DatasetError(f"{path}: the estimator abstained from every clip")
    values = [[getattr(one.clip, name) for name in DIMENSIONS] for one in heard]
    return Samples(recorder.stacked(ends[0]), numbers, labels, values=_known(values))


def shared_inputs(judged: Samples, seen: Samples) -> int:
    """Return how many of the judged inputs are, number by number, among others."""
    known = set(_digests(seen))
    return sum(digest in known for digest in _digests(judged))


def _digests(samples: Samples) -> Iterator[bytes]:
    for row in samples.rows():
        yield hashlib.sha256(b"".join(array.tobytes() for array in row)).digest()


def _of_split(path: Path, split: str | None, baseline_split: str | None) -> list[Clip]:
    clips = read_clips(path)
    splits = sorted({clip.split or "" for clip in clips})
    if split is not None and split not in splits:
        raise DatasetError(
            f"{path}: no clip has the split {split!r}", hint=f"splits: {', '.join(splits)}"
        )
    return [clip for clip in clips if split is None or clip.split in (split, baseline_split)]


def _known(values: object) -> npt.NDArray[np.float64] | None:
    """Return values as an array, NaN for None; None when there is no number at all."""
    array = np.array(values, np.float64)
    return None if np.isnan(array).all() else array


class _Recorder(LoadedModel):
    """Passes every run on and keeps its inputs."""

    backend = "recorder"

    def __init__(self, package: ModelPackage, model: LoadedModel) -> None:
        self._names = [spec.name for spec in package.inputs]
        self._model = model
        self.seen: list[list[npt.NDArray[Any]]] = []

    def run(self, inputs: Tensors) -> Tensors:
        self.seen.append([np.array(inputs[name]) for name in self._names])
        return self._model.run(inputs)

    def close(self) -> None:
        self._model.close()

    def stacked(self, first: int) -> tuple[npt.NDArray[Any], ...]:
        """Return what was seen from a run on, one array per input, without the batch axis."""
        return tuple(np.concatenate(column) for column in zip(*self.seen[first:], strict=True))


def _from_arrays(package: ModelPackage, path: Path) -> Samples:
    arrays = _plain_arrays(path)
    inputs = tuple(_input(path, spec, arrays) for spec in package.inputs)
    count = len(inputs[0])
    for name in (*(spec.name for spec in package.inputs), LABELS, CLIPS, POINTS, *DIMENSIONS):
        if name in arrays and arrays[name].shape[:1] != (count,):
            rows = arrays[name].shape[0] if arrays[name].ndim else "no"
            raise DatasetError(f"{path}: {name} has {rows} rows, others {count}")
    _check_truths(package, path, arrays, count)
    given = arrays.get(CLIPS, np.arange(count))
    _, first, clips = np.unique(given, return_index=True, return_inverse=True)
    labels = tuple(str(arrays[LABELS][k]) or None for k in first) if LABELS in arrays else ()
    unknown = sorted({label for label in labels if label} - set(_labels(package)))
    if unknown:
        raise DatasetError(
            f"{path}: {unknown[0]!r} is no label of {package.id}",
            hint=f"its labels: {', '.join(_labels(package))}",
        )
    values = [arrays.get(name, np.full(count, np.nan))[first] for name in DIMENSIONS]
    return Samples(
        inputs,
        clips.astype(np.int64),
        labels,
        arrays.get(FACES),
        arrays.get(POINTS),
        _known(np.transpose(values)),
    )


def _plain_arrays(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{path} is no .npz of plain arrays: {error}") from error
    except TypeError as error:  # a single array has no files to close
        raise DatasetError(f"{path} is no .npz of plain arrays: it is a .npy") from error


def _check_truths(package: ModelPackage, path: Path, arrays: Mapping[str, Any], count: int) -> None:
    """Refuse what is known of the inputs where it is not of the shapes of :class:`Samples`."""
    for name in (name for name in DIMENSIONS if name in arrays):
        values = arrays[name]
        if values.dtype.kind not in "fiu" or values.ndim != 1 or np.isinf(values).any():
            raise DatasetError(f"{path}: {name} holds what is not one number for each input")
    widths = {LABELS: (), CLIPS: (), FACES: (5,)}
    if package.task == "landmarks":
        widths[POINTS] = (math.prod(package.outputs[0].shape[1:]) + 1,)
    for name in (name for name in widths if name in arrays):
        found, wanted = list(arrays[name].shape), ["n", *widths[name]]
        if found[1:] != wanted[1:] or not len(found):
            words = f"[{', '.join(map(str, wanted))}]"
            raise DatasetError(f"{path}: {name} has the shape {found}, expected {words}")
    for name in (name for name in (FACES, POINTS) if name in arrays):
        if arrays[name].dtype.kind not in "fiu" or not np.isfinite(arrays[name]).all():
            raise DatasetError(f"{path}: {name} holds what is no finite number")
    if POINTS in arrays and package.task == "landmarks" and not (arrays[POINTS][:, -1] > 0).all():
        raise DatasetError(f"{path}: {POINTS} ends with a distance of the eyes that is not above 0")
    if FACES in arrays and not np.isin(arrays[FACES][:, 0], np.arange(count)).all():
        raise DatasetError(f"{path}: {FACES} names an input that is not there; it has {count}")


def _labels(package: ModelPackage) -> tuple[str, ...]:
    return package.labels if package.task == "estimate" else ()


def _input(path: Path, spec: TensorSpec, arrays: dict[str, Any]) -> npt.NDArray[Any]:
    if spec.name not in arrays:
        raise DatasetError(
            f"{path} has no array {spec.name!r}",
            hint=f"it has {', '.join(arrays) or 'none'}; name arrays as the inputs of model.toml",
        )
    array = arrays[spec.name]
    if array.shape[1:] != spec.shape[1:] or not len(array):
        turned = sorted(array.shape[1:]) == sorted(spec.shape[1:])
        raise DatasetError(
            f"{path}: {spec.name} has the shape {list(array.shape)}, "
            f"expected [n, {', '.join(map(str, spec.shape[1:]))}]",
            hint=f"the layout is {spec.layout}: transpose the array" if turned else
            "one row per input, without the batch axis of 1",
        )  # fmt: skip
    if array.dtype.kind not in "fiu" or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        raise DatasetError(f"{path}: {spec.name} holds what is no finite number")
    return np.ascontiguousarray(array, dtype=spec.dtype)
