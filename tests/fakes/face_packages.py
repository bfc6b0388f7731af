"""Face packages around the tiny models of this folder: a finder and a reader of drawn faces."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edge_emo.imaging import cv2
from tests.fakes.drawn_faces import backdrop, draw_face

DATA = Path(__file__).parent / "data"

_HEAD = """
id = "{id}"
version = "1"
modality = "face"
default = true
summary = "for tests"
{more}
[licence]
weights = "CC0-1.0"
commercial = true
corpora = [{{ name = "drawings", licence = "CC0-1.0" }}]
[[files]]
path = "model.onnx"
format = "onnx"
precision = "float32"
bytes = {bytes}
sha256 = "{sha256}"
"""
_READER = """
[features]
size_px = 48
[calibration]
temperature = 1.0
[dimensions]
source = "mixed"
[dimensions.dominance]
anger = 0.25
disgust = 0.11
fear = -0.43
happiness = 0.46
neutral = 0.0
sadness = -0.33
surprise = -0.13
[fusion]
reliability = 0.5
[[inputs]]
name = "image"
shape = [1, 1, 48, 48]
layout = "NCHW"
dtype = "float32"
colour = "grey"
[[outputs]]
name = "logits"
shape = [1, 7]
layout = "NC"
dtype = "float32"
labels = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
[[outputs]]
name = "valence_arousal"
shape = [1, 2]
layout = "NC"
dtype = "float32"
labels = ["valence", "arousal"]
[[outputs]]
name = "covered"
shape = [1, 2]
layout = "NC"
dtype = "float32"
labels = ["eyes", "mouth"]
"""
_FINDER = """
[features]
width_px = 160
height_px = 128
[[inputs]]
name = "image"
shape = [1, 128, 160, 3]
layout = "NHWC"
dtype = "float32"
colour = "rgb"
"""
_MAP = """
[[outputs]]
name = "{kind}_{stride}"
shape = [1, {rows}, {columns}, {channels}]
layout = "NHWC"
dtype = "float32"
"""


def write_packages(folder: Path) -> Path:
    """Write ``drawn-finder`` and ``drawn-reader``, both defaults, and return their folder."""
    maps = [
        _MAP.format(
            kind=kind, stride=stride, rows=128 // stride, columns=160 // stride, channels=channels
        )
        for stride in (8, 16, 32)
        for kind, channels in (("score", 1), ("box", 4), ("points", 10))
    ]
    _write(folder, "drawn-finder", "finder.onnx", 'task = "detect"', _FINDER + "".join(maps))
    _write(folder, "drawn-reader", "reader.onnx", "", _READER)
    return folder


def write_portrait(path: Path) -> Path:
    """Write a picture of a drawn face that nearly fills it."""
    picture = draw_face(backdrop(420, 420), 210, 210, 400)
    cv2().imwrite(str(path), picture[..., ::-1])
    return path


def _write(folder: Path, name: str, source: str, more: str, rest: str) -> None:
    content = (DATA / source).read_bytes()
    head = _HEAD.format(
        id=name, more=more, bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    (folder / name).mkdir(parents=True)
    (folder / name / "model.onnx").write_bytes(content)
    (folder / name / "model.toml").write_text(head + rest, encoding="utf-8")
