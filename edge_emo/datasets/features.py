"""What a shard keeps of a clip: log-mel frames, windows of a signal, face crops, or the text."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_emo.datasets.clips import Clip
from edge_emo.datasets.decode import IMAGES, decode_clip
from edge_emo.datasets.film_sound import SUFFIXES, read_film_sound
from edge_emo.errors import ConfigError, DatasetError, ModelNotFoundError
from edge_emo.estimators.face_finder import PackagedDetector, load_face_detector
from edge_emo.features.audio import RATE_HZ, RateConverter, log_mel
from edge_emo.features.face_align import align
from edge_emo.imaging import cv2
from edge_emo.manifest import find_detector, find_landmarks

VERSION = 1
"""Changed whenever the same clip and parameters give other arrays."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What shards are made with.

    Attributes:
        window_s: Length of a signal's windows.
        hop_s: From window to window.
        face_px: Side of a face crop.
        face_hz: Crops per second of a film.
    """

    window_s: float = 4.0
    hop_s: float = 2.0
    face_px: int = 96
    face_hz: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what nothing can be made with.

        Raises:
            ConfigError: A value is not above 0, or is infinite.
        """
        for name, value in asdict(self).items():
            if not 0 < value < math.inf:
                raise ConfigError(f"shards with {name} = {value} hold nothing")


class Made(NamedTuple):
    """The array of a clip, and how much time it covers.

    Attributes:
        kind: ``log-mel`` (frames, 48) float16, ``windows`` (n, samples, channels) float32,
            ``faces`` (n, side, side) uint8, or ``text``, which has none.
        data: The array.
        seconds: Length of the evidence; 0 for text and pictures.
    """

    kind: str
    data: npt.NDArray[Any]
    seconds: float


def make_features(clip: Clip, root: Path, parameters: Parameters) -> Made:
    """Decode a clip and compute what a shard keeps of it.

    Raises:
        DatasetError: The clip cannot be decoded, or no face is found in it.
        ModelError: Faces are to be found, and no detector works here.
        UnavailableError: Its decoder is not installed.
    """
    if clip.modality == "text":
        return Made("text", np.zeros(0, np.uint8), 0.0)
    if clip.modality == "face":
        return _faces(clip, root, parameters)
    if clip.modality == "voice" and Path(clip.path or "").suffix.lower() in SUFFIXES:
        samples = read_film_sound(clip, root / (clip.path or ""))
        return Made("log-mel", log_mel(samples).astype(np.float16), len(samples) / RATE_HZ)
    info, chunk = decode_clip(clip, root)
    data = np.asarray(chunk.data)
    seconds = len(data) / info.rate_hz
    if clip.modality == "voice":
        mono = np.ascontiguousarray(data.mean(axis=1), dtype=np.float32)
        frames = log_mel(RateConverter(info.rate_hz).push(mono))
        return Made("log-mel", frames.astype(np.float16), seconds)
    return Made("windows", _windows(clip, data, info.rate_hz, parameters), seconds)


def check_readable(clip: Clip, root: Path) -> None:
    """Decode a clip's sound, picture or samples; of a film, its first frame.

    Raises:
        DatasetError: It cannot be decoded.
        UnavailableError: Its decoder is not installed.
    """
    suffix = Path(clip.path or "").suffix.lower()
    if clip.modality == "voice" and suffix in SUFFIXES:
        read_film_sound(clip, root / (clip.path or ""))
    elif clip.modality == "face" and suffix not in IMAGES:
        capture = cv2().VideoCapture(str(root / (clip.path or "")))
        readable = capture.grab()
        capture.release()
        if not readable:
            raise DatasetError(f"clip {clip.clip}: {root / (clip.path or '')} is no readable film")
    else:
        decode_clip(clip, root)


def content_key(
    clip: Clip, root: Path, parameters: Parameters, finders: Sequence[str] | None = None
) -> bytes:
    """Return a digest of the clip, the bytes of its file, and what its array is made with.

    Args:
        clip: The clip.
        root: Folder that its path is relative to.
        parameters: How it is decoded.
        finders: Digests of the packages that find faces in films; None for the default ones.

    Raises:
        DatasetError: The file cannot be read.
        ModelError: A manifest of those packages is wrong.
    """
    digest = hashlib.blake2b(digest_size=16)
    facts = {"version": VERSION, **asdict(parameters), **asdict(clip)}
    if clip.modality == "face" and Path(clip.path or "").suffix.lower() not in IMAGES:
        facts["finders"] = list(_finders() if finders is None else finders)
    digest.update(json.dumps(facts, sort_keys=True).encode())
    if clip.path is not None:
        try:
            with (root / clip.path).open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise DatasetError(f"clip {clip.clip}: {error.filename}: {error.strerror}") from error
    return digest.digest()


def _windows(
    clip: Clip, data: npt.NDArray[np.float32], rate_hz: float, parameters: Parameters
) -> npt.NDArray[np.float32]:
    seconds = (parameters.window_s, parameters.hop_s)
    length, hop = (max(1, round(s * rate_hz)) for s in seconds)
    count = (len(data) - length) // hop + 1
    if count < 1:
        raise DatasetError(
            f"clip {clip.clip}: {len(data) / rate_hz:.2f} s are shorter than one window"
        )
    return np.stack([data[k * hop : k * hop + length] for k in range(count)])


def _faces(clip: Clip, root: Path, parameters: Parameters) -> Made:
    path = root / (clip.path or "")
    if path.suffix.lower() in IMAGES:
        picture = np.asarray(decode_clip(clip, root).chunk.data)
        grey = cv2().cvtColor(picture, cv2().COLOR_RGB2GRAY)
        return Made("faces", _resized(grey, parameters.face_px)[None], 0.0)
    return _film(clip, path, parameters)


def _film(clip: Clip, path: Path, parameters: Parameters) -> Made:
    """Follow the face through a film; frames in which none is found are left out."""
    vision = cv2()
    capture = vision.VideoCapture(str(path))
    try:
        rate_hz = capture.get(vision.CAP_PROP_FPS)
        if not capture.isOpened() or not rate_hz > 0:
            raise DatasetError(f"clip {clip.clip}: {path} is no readable film")
        capture.set(vision.CAP_PROP_POS_MSEC, 1000.0 * (clip.start_s or 0.0))
        last_s = float("inf") if clip.end_s is None else clip.end_s - (clip.start_s or 0.0)
        step = max(1, round(rate_hz / parameters.face_hz))
        crops, frame = list[npt.NDArray[np.uint8]](), 0
        while frame < last_s * rate_hz and capture.grab():
            if frame % step == 0:
                whole, picture = capture.retrieve()
                if not whole:  # it was found, and cannot be decoded
                    raise DatasetError(f"clip {clip.clip}: {path} is damaged at frame {frame}")
                picture = vision.cvtColor(picture, vision.COLOR_BGR2RGB)
                crops += _largest_face(picture, parameters.face_px)
            frame += 1
    finally:
        capture.release()
    if not crops:
        raise DatasetError(f"clip {clip.clip}: no face is found in {path}")
    return Made("faces", np.stack(crops), frame / rate_hz)


def _largest_face(picture: npt.NDArray[np.uint8], side_px: int) -> list[npt.NDArray[np.uint8]]:
    """Return an upright grey crop of the largest face of a frame, or nothing."""
    detector = _detector()
    sure = [face for face in detector.detect(picture) if face.score >= detector.begin_score]
    face = max(sure, key=lambda face: face.side, default=None)
    if face is None:
        return []
    crop = align(picture, face, side_px).image
    return [np.asarray(cv2().cvtColor(crop, cv2().COLOR_RGB2GRAY), np.uint8)]


@cache
def _detector() -> PackagedDetector:
    """Return the default detector, loaded once in each process."""
    detector = load_face_detector()
    if detector is None:
        raise ModelNotFoundError(
            "no model package finds faces", hint="see: edge-emo models; reinstall edge-emo"
        )
    return detector


@cache
def _finders() -> tuple[str, ...]:
    """Return the digests of the packages that find faces in films and place landmarks."""
    detector = find_detector(None, "face")
    if detector is None:
        return ()
    landmarks = find_landmarks(detector)
    return (detector.digest, landmarks.digest if landmarks is not None else "")


def _resized(grey: npt.NDArray[np.uint8], side_px: int) -> npt.NDArray[np.uint8]:
    vision = cv2()
    shape = (side_px, side_px)
    return np.asarray(vision.resize(grey, shape, interpolation=vision.INTER_AREA), np.uint8)
