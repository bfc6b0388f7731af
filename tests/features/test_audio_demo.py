"""The demonstration's sound and signals are what their script makes, and fit to be estimated."""

from __future__ import annotations

import importlib.util
import sys
import wave
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.features.audio import MelSpec, SpeechGate, log_mel

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "edge_emo" / "assets"
SPEC = MelSpec()


@pytest.fixture(scope="module")
def synth() -> ModuleType:
    spec = importlib.util.spec_from_file_location("synth_demo", ROOT / "tools" / "synth_demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["synth_demo"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sound() -> npt.NDArray[np.float32]:
    with wave.open(str(ASSETS / "demo_voice.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return pcm.astype(np.float32) / np.float32(32768)


def test_the_voice_comes_out_the_same_again(synth: ModuleType, tmp_path: Path) -> None:
    synth.write_voice(tmp_path / "voice.wav")
    assert (tmp_path / "voice.wav").read_bytes() == (ASSETS / "demo_voice.wav").read_bytes()


def test_the_signals_come_out_the_same_again(synth: ModuleType, tmp_path: Path) -> None:
    """Arrays, not bytes, are compared: another zlib compresses otherwise."""
    synth.write_eeg(tmp_path / "eeg.npz")
    with np.load(tmp_path / "eeg.npz") as new, np.load(ASSETS / "demo_eeg.npz") as kept:
        assert set(new) == set(kept) == {"data", "rate_hz", "channels"}
        for name in kept:
            np.testing.assert_array_equal(new[name], kept[name])


def test_the_files_are_small() -> None:
    assert all(path.stat().st_size <= 400_000 for path in ASSETS.glob("demo_*"))


def test_the_voice_is_short_and_not_clipped(sound: npt.NDArray[np.float32]) -> None:
    assert 5.0 < len(sound) / 16000 <= 12.0
    assert 0.5 < np.abs(sound).max() < 0.9


def test_the_gate_opens_in_every_window(sound: npt.NDArray[np.float32]) -> None:
    frames, gate, heard = log_mel(sound), SpeechGate(), 0
    for end in range(16000, len(sound), 8000):
        count = SPEC.frames_in(end)
        gate.listen(frames[heard:count])
        heard = count
        report = gate.judge(sound[max(0, end - 48000) : end], frames[max(0, count - 298) : count])
        assert report.reason is None
        assert report.speech < 0.95


def test_the_signals_hold_alpha_at_the_back_and_blinks_in_front() -> None:
    with np.load(ASSETS / "demo_eeg.npz") as file:
        data, rate_hz = file["data"], float(file["rate_hz"])
        names = [str(name) for name in file["channels"]]
    assert names == ["Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2"]
    assert data.shape == (15000, 8)
    assert data.dtype == np.float32
    assert rate_hz == 250.0
    power = np.abs(np.fft.rfft(data * np.hanning(len(data))[:, None], axis=0)) ** 2
    hz = np.fft.rfftfreq(len(data), 1 / rate_hz)
    alpha = power[(hz > 8) & (hz < 12)].sum(axis=0)
    assert alpha[names.index("O1")] > 3 * alpha[names.index("Fp1")]
    assert data[:, names.index("Fp1")].max() > 80 > data[:, names.index("O1")].max()


def test_alpha_comes_and_goes() -> None:
    with np.load(ASSETS / "demo_eeg.npz") as file:
        back = file["data"][:, 7].reshape(6, 2500)
    hz = np.fft.rfftfreq(2500, 1 / 250)
    spectrum = np.abs(np.fft.rfft(back * np.hanning(2500), axis=1)) ** 2
    alpha = spectrum[:, (hz > 8) & (hz < 12)].sum(axis=1)
    assert alpha[0::2].min() > 5 * alpha[1::2].max()
