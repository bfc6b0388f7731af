from __future__ import annotations

import contextlib
import struct
import wave
import zlib
from pathlib import Path

import numpy as np
import pytest

from edge_emo.datasets.clips import Clip
from edge_emo.datasets.decode import decode_clip, load_clip
from edge_emo.errors import DatasetError, UnavailableError
from edge_emo.imaging import cv2
from edge_emo.vendor import load

RAMP = np.array([[0.0, -1.0], [0.5, -0.5], [0.75, 0.25]])


def write_wav(path: Path, raw: bytes, width_bytes: int, channels: int = 2) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width_bytes)
        file.setframerate(8000)
        file.writeframes(raw)


def pcm(values: np.ndarray, width_bytes: int) -> bytes:
    whole = np.round(values.ravel() * 2 ** (8 * width_bytes - 1)).astype(np.int64)
    if width_bytes == 1:
        return bytes((whole + 128).astype(np.uint8))
    return b"".join(int(v).to_bytes(width_bytes, "little", signed=True) for v in whole)


@pytest.mark.parametrize("width_bytes", [1, 2, 3, 4])
def test_wav_of_every_width(tmp_path: Path, width_bytes: int) -> None:
    write_wav(tmp_path / "a.wav", pcm(RAMP, width_bytes), width_bytes)
    info, chunk = decode_clip(Clip("a", "voice", path="a.wav"), tmp_path)
    np.testing.assert_array_equal(chunk.samples, RAMP.astype(np.float32))
    assert chunk.samples.dtype == np.float32
    assert (chunk.stream, chunk.seq, chunk.t_ns, chunk.rate_hz) == ("microphone", 0, 0, 8000.0)
    assert (info.kind, info.rate_hz, len(info.channels), info.live) == (
        "microphone", 8000.0, 2, False,
    )  # fmt: skip


def test_start_and_end_cut(tmp_path: Path) -> None:
    values = np.arange(8000)[:, None] / 8000
    write_wav(tmp_path / "a.wav", pcm(values, 2), 2, channels=1)
    chunk = load_clip(Clip("a", "voice", path="a.wav", start_s=0.25, end_s=0.5), tmp_path)
    assert chunk.samples.shape == (2000, 1)
    assert chunk.samples[0, 0] == pytest.approx(0.25)
    with pytest.raises(DatasetError, match="nothing between"):
        load_clip(Clip("a", "voice", path="a.wav", start_s=5.0), tmp_path)


def test_a_truncated_wav_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", pcm(RAMP, 2), 2)
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[:-4])
    with pytest.raises(DatasetError, match="truncated"):
        load_clip(Clip("a", "voice", path="a.wav"), tmp_path)


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_other_sound_through_soundfile(tmp_path: Path, suffix: str) -> None:
    try:
        soundfile = load("soundfile")
    except UnavailableError as error:
        pytest.skip(f"needs soundfile: {error.hint}")
    subtype = "FLOAT" if suffix == "wav" else "PCM_16"
    soundfile.write(tmp_path / f"a.{suffix}", RAMP, 16000, subtype=subtype)
    chunk = load_clip(Clip("a", "voice", path=f"a.{suffix}"), tmp_path)
    np.testing.assert_allclose(chunk.samples, RAMP, atol=2**-15)


def test_extensible_float_sound_is_read_whatever_python_says_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        soundfile = load("soundfile")
    except UnavailableError as error:
        pytest.skip(f"needs soundfile: {error.hint}")
    soundfile.write(tmp_path / "a.wav", RAMP, 16000, subtype="FLOAT", format="WAVEX")

    def from_python_3_12_on(*_: object) -> object:
        raise wave.Error("unknown extended format: 00000003-0000-0010-8000-00aa00389b71")

    for _ in range(2):
        chunk = load_clip(Clip("a", "voice", path="a.wav"), tmp_path)
        np.testing.assert_array_equal(chunk.samples, RAMP.astype(np.float32))
        monkeypatch.setattr(wave, "open", from_python_3_12_on)
    assert chunk.rate_hz == 16000.0


def test_a_picture_is_rgb(tmp_path: Path) -> None:
    blue_green_red = np.zeros((4, 6, 3), np.uint8)
    blue_green_red[:, :, 2] = 200
    cv2().imwrite(str(tmp_path / "a.png"), blue_green_red)
    image = load_clip(Clip("a", "face", path="a.png"), tmp_path).image
    assert image.shape == (4, 6, 3)
    assert image[0, 0].tolist() == [200, 0, 0]


def test_a_grey_picture_gets_three_channels(tmp_path: Path) -> None:
    cv2().imwrite(str(tmp_path / "a.png"), np.full((4, 6), 7, np.uint8))
    assert load_clip(Clip("a", "face", path="a.png"), tmp_path).image[3, 5].tolist() == [7, 7, 7]


def test_signals_keep_their_channel_names(tmp_path: Path) -> None:
    data = np.arange(8, dtype=np.float32).reshape(4, 2)
    np.savez(tmp_path / "a.npz", data=data, rate_hz=128.0, channels=["Fz", "Pz"])
    info, chunk = decode_clip(Clip("a", "eeg", path="a.npz"), tmp_path)
    np.testing.assert_array_equal(chunk.samples, data)
    assert (info.channels, info.rate_hz, info.unit) == (("Fz", "Pz"), 128.0, "uv")


def test_text_needs_no_file(tmp_path: Path) -> None:
    assert load_clip(Clip("a", "text", text="good morning"), tmp_path).text == "good morning"


@pytest.mark.parametrize(
    ("clip", "words"),
    [
        (Clip("a", "voice", path="none.wav"), r"none\.wav does not exist"),
        (Clip("a", "voice", path="bad.wav"), "is no WAV file"),
        (Clip("a", "face", path="bad.png"), "is no readable picture"),
        (Clip("a", "face", path="bad.wav"), "cannot be read as face"),
        (Clip("a", "eeg", path="bad.npz"), "is no signal file"),
        (Clip("a", "eeg", path="pickled.npz"), "is no signal file"),
        (Clip("a", "eeg", path="flat.npz"), r"data \(4,\)"),
        (Clip("a", "eeg", path="bad.wav"), "cannot be read as eeg"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, clip: Clip, words: str) -> None:
    for name in ("bad.wav", "bad.png", "bad.npz"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
    pickled = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "pickled.npz", data=pickled, rate_hz=1.0, channels=["x"])
    np.savez(tmp_path / "flat.npz", data=np.zeros(4), rate_hz=1.0, channels=["x"])
    with pytest.raises(DatasetError, match=words) as caught:
        load_clip(clip, tmp_path)
    assert "clip a" in caught.value.message


def _png(width: int, height: int) -> bytes:
    """Return a picture that says how large it is, and holds nothing."""
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IEND": b""}
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _wav(bits: int, rate_hz: int) -> bytes:
    frame = (bits + 7) // 8
    form = struct.pack("<HHIIHH", 1, 1, rate_hz, rate_hz * frame, frame, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", 40) + bytes(40)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.png", b""),
        ("huge.png", _png(200_000, 200_000)),
        ("empty.npz", b""),
        ("odd.wav", _wav(40, 8000)),
        ("still.wav", _wav(16, 0)),
        ("n" * 300 + ".wav", None),
    ],
)
def test_odd_files_are_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    suffix = name.rpartition(".")[2]
    clip = Clip("a", {"png": "face", "npz": "eeg", "wav": "voice"}[suffix], path=name)  # type: ignore[arg-type]  # names of modalities
    with pytest.raises(DatasetError, match=f"clip a: .*{suffix}"):
        load_clip(clip, tmp_path)


def test_a_damaged_byte_or_end_of_an_archive_is_named(tmp_path: Path) -> None:
    path, clip = tmp_path / "a.npz", Clip("a", "eeg", path="a.npz")
    np.savez_compressed(path, data=np.zeros((99, 1), np.float32), rate_hz=250.0, channels=["x"])
    whole = path.read_bytes()
    for k in range(0, len(whole), 3):
        path.write_bytes(whole[:k])
        with pytest.raises(DatasetError, match=r"clip a: .*a\.npz"):
            load_clip(clip, tmp_path)
        path.write_bytes(whole[:k] + bytes([whole[k] ^ 0xFF]) + whole[k + 1 :])
        with contextlib.suppress(DatasetError):  # a byte may say nothing that is read
            load_clip(clip, tmp_path)


def test_a_rate_without_end_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=np.zeros((4, 1)), rate_hz=np.inf, channels=["x"])
    with pytest.raises(DatasetError, match="inf Hz"):
        load_clip(Clip("a", "eeg", path="a.npz"), tmp_path)
