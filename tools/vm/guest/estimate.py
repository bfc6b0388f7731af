"""Prints what every package, backend and file says of every clip, one JSON object a line.

Runs on any machine that has edge_emo: python3 estimate.py FOLDER BACKEND
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge_emo.clock import MonotonicClock
from edge_emo.datasets.clips import Clip, read_clips
from edge_emo.datasets.decode import decode_clip
from edge_emo.errors import ModelError
from edge_emo.estimators.create import build_estimator
from edge_emo.estimators.face_finder import PackagedDetector, load_face_detector
from edge_emo.imaging import use_one_thread
from edge_emo.manifest import ModelPackage, list_packages
from edge_emo.runtime.base import LoadedModel
from edge_emo.runtime.choose import Candidate, candidates, load_candidate
from edge_emo.types import Prediction

Row = dict[str, Any]


def rows(folder: Path, backend: str) -> Iterator[Row]:
    """Yield a row for each package, file that the backend reads, and clip of the modality.

    Args:
        folder: Holds ``clips.jsonl`` and the files that it names.
        backend: Name of the backend.
    """
    clips = read_clips(folder / "clips.jsonl")
    for package in list_packages():
        fitting = [clip for clip in clips if clip.modality == package.modality]
        for candidate in candidates(package, backend=backend, measured_ms={}):
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
        return load_candidate(package, candidate)
    except ModelError as error:
        return error.message


def _said(
    package: ModelPackage, model: LoadedModel, clips: Sequence[Clip], folder: Path
) -> Iterator[tuple[Clip, Row]]:
    if package.task == "estimate":
        yield from _estimated(package, model, clips, folder)
        return
    detector = PackagedDetector(package, model)
    for clip in clips:
        faces = detector.detect(decode_clip(clip, folder).chunk.image)
        sure = [face for face in faces if face.score >= detector.begin_score]
        boxes = [[face.x, face.y, face.width, face.height, face.score] for face in sure]
        yield clip, {"faces": boxes}
    detector.close()


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


if __name__ == "__main__":
    use_one_thread()
    for row in rows(Path(sys.argv[1]), sys.argv[2]):
        print(json.dumps(row), flush=True)
