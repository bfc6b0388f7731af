"""From a clip of a manifest to one chunk, as an estimator's ``clip`` takes it."""

from __future__ import annotations

import dataclasses
import math
import struct
import tokenize
import wave
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_emo.datasets.clips import Clip
from edge_emo.errors import DatasetError
from edge_emo.files import is_file
from edge_emo.imaging import cv2
from edge_emo.types import Chunk, Kind, Modality, Said, StreamInfo, Utterance
from edge_emo.vendor import load

Samples = npt.NDArray[np.float32]

_Data = npt.NDArray[np.uint8] | Samples | str
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".ppm", ".tif", ".tiff")
SOUNDS = (".wav", ".flac", ".ogg", ".opus", ".mp3")

ARCHIVE_DAMAGE = (
    *(OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, ArithmeticError),
    *(RuntimeError, MemoryError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)
"""What NumPy raises of archives whose bytes are wrong."""
_WIDEST_BYTES = 4
_NO_PCM = ("unknown format", "unknown extended format")
"""What the standard library says of float samples, the second from Python 3.12 on."""

KIND_OF: Mapping[Modality, Kind] = {
    "face": "camera",
    "voice": "microphone",
    "eeg": "eeg",
    "physio": "physio",
    "text": "text",
}
_UNITS: Mapping[Kind, str] = {
    "camera": "rgb8",
    "microphone": "full-scale",
    "eeg": "uv",
    "physio": "physical",
    "text": "text",
}


class DecodedClip(NamedTuple):
    """A clip as a driver would have delivered it: the stream, and one chunk of it from time 0."""

    info: StreamInfo
    chunk: Chunk


class _Signal(NamedTuple):
    """Samples of shape (n_samples, n_channels) with their rate and channel names."""

    data: Samples
    rate_hz: float
    channels: tuple[str, ...]


def load_clip(clip: Clip, root: str | Path) -> Chunk:
    """Decode a clip.

    Args:
        clip: One line of a manifest.
        root: Folder that its path is relative to.

    Returns:
        One chunk from time 0: an RGB image, float32 samples, or text.

    Raises:
        DatasetError: The file is missing, damaged, truncated, or of a kind that its modality
            has no use for; the message names clip and file.
        UnavailableError: Its decoder is not installed.
    """
    return decode_clip(clip, root).chunk


def decode_clip(clip: Clip, root: str | Path) -> DecodedClip:
    """Decode a clip and describe its stream; see :func:`load_clip`."""
    if clip.modality == "text":
        info, chunk = _decoded(clip, "", 0.0, (), clip.text or "")
        return DecodedClip(info, dataclasses.replace(chunk, utterance=_utterance(clip)))
    if clip.path is None:
        raise DatasetError(
            f"clip {clip.clip}: has no path", hint="give it the path of its file in the manifest"
        )
    path = Path(root) / clip.path
    if not is_file(path):
        raise DatasetError(
            f"clip {clip.clip}: {path} does not exist",
            hint="name the folder that the paths are relative to with --root",
        )
    if path.stat().st_size == 0:
        raise _unusable(clip, path, "is empty")
    if clip.modality == "face":
        return _decoded(clip, str(path), 0.0, (), _read_image(clip, path))
    signal = _cut(clip, path, _read_signal(clip, path))
    return _decoded(clip, str(path), signal.rate_hz, signal.channels, signal.data)


def _unusable(clip: Clip, path: Path, what: str, hint: str = "") -> DatasetError:
    known = hint or "copy it again from its corpus, or take the clip out of the manifest"
    in_one_line = " ".join(what.split())  # what OpenCV says has several
    return DatasetError(f"clip {clip.clip}: {path} {in_one_line}", hint=known)


def _utterance(clip: Clip) -> Utterance:
    before = [Said(said.get("speaker"), said["text"] or "") for said in clip.context or ()]
    return Utterance(clip.speaker, (), tuple(before))


def _decoded(
    clip: Clip, device: str, rate_hz: float, channels: tuple[str, ...], data: _Data
) -> DecodedClip:
    kind = KIND_OF[clip.modality]
    info = StreamInfo(kind, rate_hz, channels, _UNITS[kind], device or clip.clip, live=False)
    return DecodedClip(info, Chunk(kind, 0, 0, rate_hz, data))


def _read_image(clip: Clip, path: Path) -> npt.NDArray[np.uint8]:
    if path.suffix.lower() not in IMAGES:
        raise _wrong_suffix(clip, path, IMAGES)
    cv = cv2()
    try:
        image = cv.imdecode(np.fromfile(path, dtype=np.uint8), cv.IMREAD_COLOR)
    except (OSError, cv.error) as error:  # such as one of more pixels than OpenCV takes
        raise _unusable(clip, path, f"is no readable picture: {error}") from error
    if image is None:
        raise _unusable(clip, path, "is no readable picture")
    return np.asarray(cv.cvtColor(image, cv.COLOR_BGR2RGB), dtype=np.uint8)


def _read_signal(clip: Clip, path: Path) -> _Signal:
    suffix = path.suffix.lower()
    if clip.modality == "voice" and suffix in SOUNDS:
        return _read_wave(clip, path) if suffix == ".wav" else _read_sound(clip, path)
    if suffix == ".npz":
        return _read_npz(clip, path)
    raise _wrong_suffix(clip, path, (*SOUNDS, ".npz") if clip.modality == "voice" else (".npz",))


def _wrong_suffix(clip: Clip, path: Path, known: tuple[str, ...]) -> DatasetError:
    hint = f"convert it to one of: {' '.join(known)}"
    return _unusable(clip, path, f"cannot be read as {clip.modality}", hint)


def _read_wave(clip: Clip, path: Path) -> _Signal:
    try:
        with wave.open(str(path), "rb") as file:
            layout = file.getparams()
            raw = file.readframes(layout.nframes)
    except (OSError, wave.Error, EOFError) as error:
        if str(error).startswith(_NO_PCM):
            return _read_sound(clip, path)
        why = str(error) or "it ends early"
        raise _unusable(clip, path, f"is no WAV file: {why}") from error
    if layout.sampwidth > _WIDEST_BYTES or layout.framerate < 1:
        bits = 8 * layout.sampwidth
        raise _unusable(clip, path, f"has {bits} bits at {layout.framerate} Hz")
    if len(raw) < layout.nframes * layout.nchannels * layout.sampwidth:
        raise _unusable(clip, path, "is truncated")
    data = _from_pcm(raw, layout.sampwidth).reshape(-1, layout.nchannels)
    return _Signal(data, float(layout.framerate), _sound_channels(layout.nchannels))


def _from_pcm(raw: bytes, width_bytes: int) -> Samples:
    """Return little-endian PCM as float32 in −1 … 1; 8-bit WAV is unsigned, 24-bit is packed."""
    if width_bytes == 1:
        whole = np.frombuffer(raw, np.uint8).astype(np.float32) - np.float32(128)
    elif width_bytes == 3:
        padded = np.zeros((len(raw) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        whole = padded.view("<i4")[:, 0].astype(np.float32) * np.float32(2**-8)
    else:
        whole = np.frombuffer(raw, f"<i{width_bytes}").astype(np.float32)
    return np.asarray(whole * np.float32(2.0 ** (1 - 8 * width_bytes)), dtype=np.float32)


def _read_sound(clip: Clip, path: Path) -> _Signal:
    soundfile = load("soundfile")
    try:
        data, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise _unusable(clip, path, f"is no sound file: {error}") from error
    return _Signal(data, float(rate_hz), _sound_channels(data.shape[1]))


def _sound_channels(count: int) -> tuple[str, ...]:
    return tuple(f"ch{number}" for number in range(1, count + 1))


def _read_npz(clip: Clip, path: Path) -> _Signal:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            data = np.asarray(archive["data"], dtype=np.float32)
            rate_hz = float(archive["rate_hz"])
            channels = tuple(str(name) for name in np.atleast_1d(archive["channels"]))
    except ARCHIVE_DAMAGE as error:
        raise _unusable(clip, path, f"is no signal file: {error}", _NPZ) from error
    if data.ndim != 2 or data.shape[1] != len(channels) or not 0 < rate_hz < math.inf:
        what = f"holds data {data.shape} at {rate_hz} Hz for {len(channels)} channels"
        raise _unusable(clip, path, what, _NPZ)
    return _Signal(data, rate_hz, channels)


_NPZ = "an .npz needs data (n_samples, n_channels), rate_hz and channels"


def _cut(clip: Clip, path: Path, signal: _Signal) -> _Signal:
    first = round((clip.start_s or 0.0) * signal.rate_hz)
    last = len(signal.data) if clip.end_s is None else round(clip.end_s * signal.rate_hz)
    part = signal.data[first:last]
    if len(part) == 0:
        length_s = len(signal.data) / signal.rate_hz
        what = f"lasts {length_s:g} s: nothing between {clip.start_s} and {clip.end_s} s"
        raise _unusable(clip, path, what)
    return signal._replace(data=np.ascontiguousarray(part))
