"""Face packages around the tiny models of this folder: a finder and a reader of drawn faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge_emo.imaging import cv2
from edge_emo.manifest.write import file_entry
from edge_emo.types import CATEGORIES
from tests.fakes.drawn_faces import backdrop, draw_face
from tests.fakes.manifests import estimator_manifest, manifest, package_in, tensor

DATA = Path(__file__).parent / "data"

_READER: Mapping[str, Any] = {
    "features": {"size_px": 48},
    "dimensions": {
        "source": "mixed",
        "dominance": {
            "anger": 0.25,
            "disgust": 0.11,
            "fear": -0.43,
            "happiness": 0.46,
            "neutral": 0.0,
            "sadness": -0.33,
            "surprise": -0.13,
        },
    },
    "inputs": [tensor("image", (1, 1, 48, 48), "NCHW", colour="grey")],
    "outputs": [
        tensor("logits", (1, 7), "NC", labels=CATEGORIES),
        tensor("valence_arousal", (1, 2), "NC", labels=("valence", "arousal")),
        tensor("covered", (1, 2), "NC", labels=("eyes", "mouth")),
    ],
}
_FINDER: Mapping[str, Any] = {
    "task": "detect",
    "features": {"width_px": 160, "height_px": 128},
    "inputs": [tensor("image", (1, 128, 160, 3), "NHWC", colour="rgb")],
    "outputs": [
        tensor(f"{kind}_{stride}", (1, 128 // stride, 160 // stride, channels), "NHWC")
        for stride in (8, 16, 32)
        for kind, channels in (("score", 1), ("box", 4), ("points", 10))
    ],
}


def write_packages(folder: Path) -> Path:
    """Write ``drawn-finder`` and ``drawn-reader``, both defaults, and return their folder."""
    _write(folder / "drawn-finder", "finder.onnx", manifest, _FINDER)
    _write(folder / "drawn-reader", "reader.onnx", estimator_manifest, _READER)
    return folder


def write_portrait(path: Path) -> Path:
    """Write a picture of a drawn face that nearly fills it."""
    picture = draw_face(backdrop(420, 420), 210, 210, 400)
    cv2().imwrite(str(path), picture[..., ::-1])
    return path


def _write(folder: Path, source: str, make: Callable[..., str], keys: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    model = folder / "model.onnx"
    model.write_bytes((DATA / source).read_bytes())
    package_in(
        folder, make(folder.name, "face", default=True, files=[file_entry(model, "onnx")], **keys)
    )
