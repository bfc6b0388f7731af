"""Prints what packages say of clips, one JSON object a line.

Runs on any machine that has edge_emo: python3 estimate.py FOLDER --backend litert
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge_emo.clock import MonotonicClock
from edge_emo.datasets.clips import Clip, read_clips
from edge_emo.datasets.decode import decode_clip
from edge_emo.errors import ModelError
from edge_emo.estimators.create import build_estimator
from edge_emo.estimators.face_finder import (
    PackagedDetector,
    PackagedLandmarks,
    load_face_detector,
)
from edge_emo.features.face_detector import DetectedFace
from edge_emo.imaging import use_one_thread
from edge_emo.manifest import ModelPackage, find_detector, list_packages
from edge_emo.runtime.base import LoadedModel
from edge_emo.runtime.choose import Candidate, candidates, load_candidate, load_model
from edge_emo.runtime.openvino import OpenVinoBackend
from edge_emo.types import Prediction

Row = dict[str, Any]

_TRIAL_S = 300.0
"""How long OpenVINO may try to compile a file: emulated, it takes a hundred times as long."""


def rows(folder: Path, wanted: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for each package, file that the backend reads, and clip of the modality.

    Args:
        folder: Holds ``clips.jsonl`` and the files that it names.
        wanted: What the command line asks for.
    """
    clips = read_clips(folder / "clips.jsonl")
    for package in list_packages():
        if wanted.package and package.id not in wanted.package:
            continue
        fitting = [clip for clip in clips if clip.modality == package.modality][: wanted.clips]
        for candidate in candidates(package, backend=wanted.backend, measured_ms={}):
            if not candidate.path.endswith(wanted.suffix):
                continue
            key = {"package": package.id, "backend": candidate.backend, "file": candidate.path}
            model = _loaded(package, candidate)
            if isinstance(model, str):
                yield {**key, "reason": model}
                continue
            for clip, said in _said(package, model, fitting, folder):
                yield {**key, "clip": clip.clip, **said}


def _loaded(package: ModelPackage, candidate: Candidate) -> LoadedModel | str:
    """Return the model, or why this backend does not run it."""
    if not candidate.accepted:
        return candidate.reason
    try:
        if candidate.backend == OpenVinoBackend.name:
            file = next(file for file in package.files if file.path == candidate.path)
            return OpenVinoBackend(timeout_s=_TRIAL_S).load(package, file)
        return load_candidate(package, candidate)
    except ModelError as error:
        return error.message


def _said(
    package: ModelPackage, model: LoadedModel, clips: Sequence[Clip], folder: Path
) -> Iterator[tuple[Clip, Row]]:
    if package.task == "estimate":
        yield from _estimated(package, model, clips, folder)
        return
    finder = _finder(package, model)
    for clip in clips:
        faces = finder.detect(decode_clip(clip, folder).chunk.image)
        sure = [face for face in faces if face.score >= finder.begin_score]
        yield clip, {"faces": [_numbers(face) for face in sure]}
    finder.close()


def _finder(package: ModelPackage, model: LoadedModel) -> PackagedDetector:
    """Return what finds faces with the model; landmarks are placed on faces of the default one."""
    if package.task == "detect":
        return PackagedDetector(package, model)
    detector = find_detector(None, "face")
    assert detector is not None, "no package finds faces"
    return PackagedDetector(detector, load_model(detector), PackagedLandmarks(package, model))


def _numbers(face: DetectedFace) -> list[float]:
    """Return score, box and landmarks of a face."""
    points = [value for point in face.points for value in point]
    return [face.score, face.x, face.y, face.width, face.height, *points]


def _estimated(
    package: ModelPackage, model: LoadedModel, clips: Sequence[Clip], folder: Path
) -> Iterator[tuple[Clip, Row]]:
    finder = load_face_detector() if package.modality == "face" else None
    estimator = build_estimator(package, model, MonotonicClock(), finder)
    for clip in clips:
        info, chunk = decode_clip(clip, folder)
        estimator.start(info)
        yield clip, _plain(estimator.clip(chunk))
    estimator.close()


def _plain(prediction: Prediction) -> Row:
    posterior = prediction.posterior
    return {
        "posterior": None if posterior is None else dict(posterior),
        "abstained": prediction.abstained,
        "arousal": prediction.arousal,
        "valence": prediction.valence,
    }


def main() -> None:
    """Obey the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds clips.jsonl and its files")
    parser.add_argument("--backend", required=True)
    parser.add_argument("--clips", type=int, help="at most so many of a modality")
    parser.add_argument("--package", action="append", default=[], help="all without it")
    parser.add_argument("--suffix", default="", help="only files that end so")
    wanted = parser.parse_args()
    for row in rows(wanted.folder, wanted):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    use_one_thread()
    main()
