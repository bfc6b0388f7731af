"""Media that say little: black pictures, silence, and what hardly differs from them."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from edge_emo.datasets.check import check_manifests
from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.datasets.near import fingerprint
from edge_emo.imaging import cv2

NOISE = np.random.default_rng(7)


def picture(path: Path, grey: np.ndarray) -> None:
    cv2().imwrite(str(path), np.clip(grey, 0, 255).astype(np.uint8))


def sound(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.astype("<i2").tobytes())


def shared(folder: Path, first: str, second: str) -> list[str]:
    modality = "face" if first.endswith("png") else "voice"
    clips = [
        Clip("a", modality, path=first, split="train"),  # type: ignore[arg-type]  # by suffix
        Clip("b", modality, path=second, split="test"),  # type: ignore[arg-type]
    ]
    write_clips(folder / "m.jsonl", clips)
    return [overlap.what for overlap in check_manifests([folder / "m.jsonl"], media=True).overlaps]


def spot(row: int, column: int) -> np.ndarray:
    grey = np.zeros((160, 170))
    grey[row : row + 12, column : column + 12] = 200
    return grey


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.zeros((48, 48)), np.zeros((64, 48))),
        (np.zeros((48, 48)), np.full((48, 48), 255)),
        (np.zeros((48, 48)), np.full((48, 48), 1)),
        (spot(10, 20), spot(120, 100)),
        (np.zeros((48, 48)), np.linspace(0, 255, 48)[:, None] * np.ones(48)),
        (NOISE.normal(0, 1, (160, 170)), NOISE.normal(0, 1, (160, 170))),
    ],
)
def test_two_flat_pictures_that_differ_are_not_called_the_same(
    tmp_path: Path, first: np.ndarray, second: np.ndarray
) -> None:
    picture(tmp_path / "a.png", first)
    picture(tmp_path / "b.png", second)
    assert shared(tmp_path, "a.png", "b.png") == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.zeros(16_000), np.zeros(16_001)),
        (np.zeros(16_000), np.full(16_000, 900)),
        (np.full(16_000, 900), np.full(16_000, 901)),
        (np.zeros(16_000), np.eye(1, 16_000, 8_000)[0] * 9_000),
    ],
)
def test_two_flat_sounds_that_differ_are_not_called_the_same(
    tmp_path: Path, first: np.ndarray, second: np.ndarray
) -> None:
    sound(tmp_path / "a.wav", first)
    sound(tmp_path / "b.wav", second)
    assert shared(tmp_path, "a.wav", "b.wav") == []


def test_flat_media_of_equal_content_are_the_same(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / f"{name}.png", np.full((48, 48), 30))
        sound(tmp_path / f"{name}.wav", np.zeros(16_000))
    assert shared(tmp_path, "a.png", "b.png") == ["near-identical media"]
    assert shared(tmp_path, "a.wav", "b.wav") == ["near-identical media"]


def test_a_picture_saved_again_is_the_same(tmp_path: Path) -> None:
    grey = cv2().GaussianBlur(NOISE.normal(128, 90, (160, 170)), (0, 0), 8) * 4 - 384
    picture(tmp_path / "a.png", grey)
    picture(tmp_path / "b.png", 0.8 * grey + NOISE.normal(0, 1, grey.shape))
    assert fingerprint(Clip("a", "face", path="a.png"), tmp_path)[0] == "picture"
    assert shared(tmp_path, "a.png", "b.png") == ["near-identical media"]
