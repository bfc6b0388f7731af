"""Clips on which two machines are compared: synthetic, and from the demonstration's own assets.

They are made anew each time, are nobody's data, and need no labels.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.demo import ASSETS, portrait
from edge_emo.drivers.virtual_face import EXPRESSIONS, draw_head
from edge_emo.drivers.virtual_scene import Scene
from edge_emo.drivers.virtual_signals import Samples, babble, body_signals, brain_waves
from edge_emo.imaging import cv2

MANIFEST = "clips.jsonl"
_VOICE_CUTS_S = ((0.0, 3.0), (2.5, 5.0), (4.0, 7.0), (6.5, 9.5))
_EEG_CUTS_S = ((0.0, 10.0), (20.0, 30.0), (44.0, 60.0))
_VOICE_HZ, _EEG_HZ, _BODY_HZ, _BODY_S = 16000, 250.0, 64.0, 120
_CHANNELS = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
_SENTENCES = (
    "We won the cup, I cannot stop smiling!",
    "My old dog died this morning and the house is so quiet.",
    "Who left this rotten fish in my drawer? It makes me sick.",
    "They cancelled it again without a word, I am furious.",
    "There is somebody behind the door, please stay with me.",
    "The meeting starts at ten in the small room.",
    "You are here? I thought you were in Peru!",
    "thanks a lot :) that was really kind",
)


def write_golden(folder: Path) -> None:
    """Write the clips and their manifest.

    Raises:
        UnavailableError: The package that carries the portrait is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = [*_faces(folder), *_voices(folder), *_eeg(folder), *_physio(folder), *_texts()]
    write_clips(folder / MANIFEST, made)


def _faces(folder: Path) -> Iterator[Clip]:
    """Yield whole frames with the moving portrait, and crops of drawn faces."""
    scene = Scene(7, (640, 480), portrait(), numbered=False)
    frames = {f"frame{n}": scene.frame(n, n / 30) for n in (0, 40, 95)}
    crops = {f"drawn{n}": draw_head(96, show) for n, show in enumerate(EXPRESSIONS)}
    for name, picture in {**frames, **crops}.items():
        vision = cv2()
        vision.imwrite(str(folder / f"{name}.png"), vision.cvtColor(picture, vision.COLOR_RGB2BGR))
        yield Clip(name, "face", path=f"{name}.png")


def _voices(folder: Path) -> Iterator[Clip]:
    shutil.copy(ASSETS / "demo_voice.wav", folder / "voice.wav")
    for number, (begin_s, end_s) in enumerate(_VOICE_CUTS_S):
        yield Clip(f"voice{number}", "voice", path="voice.wav", start_s=begin_s, end_s=end_s)
    for seed in (1, 2):
        sound = babble(seed, 4 * _VOICE_HZ, _VOICE_HZ)[:, None]
        _write_signal(folder / f"babble{seed}.npz", sound, _VOICE_HZ, ("mono",))
        yield Clip(f"babble{seed}", "voice", path=f"babble{seed}.npz")


def _eeg(folder: Path) -> Iterator[Clip]:
    shutil.copy(ASSETS / "demo_eeg.npz", folder / "eeg.npz")
    for number, (begin_s, end_s) in enumerate(_EEG_CUTS_S):
        yield Clip(f"eeg{number}", "eeg", path="eeg.npz", start_s=begin_s, end_s=end_s)
    for seed in (1, 2, 3):
        waves = brain_waves(seed, round(16 * _EEG_HZ), _EEG_HZ, _CHANNELS)
        _write_signal(folder / f"waves{seed}.npz", waves, _EEG_HZ, _CHANNELS)
        yield Clip(f"waves{seed}", "eeg", path=f"waves{seed}.npz")


def _physio(folder: Path) -> Iterator[Clip]:
    for seed, (heart_bpm, responses_per_min) in enumerate(((58, 0.5), (70, 3.0), (95, 8.0))):
        length = round(_BODY_S * _BODY_HZ)
        body = body_signals(seed, length, _BODY_HZ, heart_bpm, responses_per_min)
        _write_signal(folder / f"body{seed}.npz", body, _BODY_HZ, ("bvp", "eda", "temp"))
        yield Clip(f"body{seed}", "physio", path=f"body{seed}.npz")


def _texts() -> Iterator[Clip]:
    for number, text in enumerate(_SENTENCES):
        yield Clip(f"text{number}", "text", text=text, language="en")


def _write_signal(path: Path, data: Samples, rate_hz: float, channels: tuple[str, ...]) -> None:
    np.savez_compressed(path, data=data, rate_hz=np.float64(rate_hz), channels=np.array(channels))
