"""Rates and ratings of films, and votes on pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from datasets.trees.plant import put

from edge_emo.datasets.adapter import make_adapter
from edge_emo.datasets.clips import read_clips
from edge_emo.datasets.prepare import Options, prepare


def test_films_are_verified_by_their_first_frame(tmp_path: Path) -> None:
    root = tmp_path / "in" / "CAER"
    for name in ("train/Anger/0001.avi", "test/Sad/0002.avi"):
        (root / name).parent.mkdir(parents=True)
        writer = cv2.VideoWriter(str(root / name), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 64))
        writer.write(np.full((64, 64, 3), 90, np.uint8))
        writer.release()
    (root / "test/Sad/0002.avi").write_bytes(bytes(300))
    options = Options(verify=True, modalities=("face",))
    summary = prepare(make_adapter("caer"), root, tmp_path / "c.jsonl", options)
    assert [clip.label for clip in read_clips(tmp_path / "c.jsonl")] == ["anger"]
    assert "is no readable film" in summary.findings.first["unreadable"][0]


def _veatic(folder: Path, rate_hz: float) -> Path:
    """Plant a film of this rate with 40 frames, and their ratings."""
    rows = "\n".join(["0.5"] * 10 + ["-0.5"] * 10 + ["0.1"] * 20)
    files = {f"rating_averaged/7_{side}.csv": rows for side in ("valence", "arousal")}
    root = put(folder / "VEATIC", {**files, "videos/readme.txt": "x"})
    kind = cv2.VideoWriter.fourcc(*"mp4v")
    film = cv2.VideoWriter(str(root / "videos" / "7.mp4"), kind, rate_hz, (64, 64))
    for _ in range(40):
        film.write(np.full((64, 64, 3), 90, np.uint8))
    film.release()
    return root


@pytest.mark.parametrize("rate_hz", [0.5, 1000.0])
def test_a_film_of_veatic_whose_rate_cannot_be_is_taken_at_25(
    tmp_path: Path, rate_hz: float
) -> None:
    root = _veatic(tmp_path, rate_hz)
    summary = prepare(make_adapter("veatic"), root, tmp_path / "v.jsonl")
    (clip,) = read_clips(tmp_path / "v.jsonl")
    assert clip.valence == pytest.approx((10 * 0.5 - 10 * 0.5 + 5 * 0.1) / 25)
    assert "7.mp4: no frame rate" in summary.findings.first["value"][0]


def test_ratings_of_veatic_are_at_the_rate_of_the_film(tmp_path: Path) -> None:
    root = _veatic(tmp_path, 10.0)
    summary = prepare(make_adapter("veatic"), root, tmp_path / "v.jsonl")
    clips = read_clips(tmp_path / "v.jsonl")
    assert [(clip.start_s, clip.valence, clip.split) for clip in clips] == [
        (0.0, 0.5, "train"),
        (1.0, -0.5, "train"),
        (3.0, 0.1, "test"),
    ]
    assert dict(summary.findings.counts) == {"defect": 1}


def test_ratings_of_veatic_that_are_of_no_film_are_extra(tmp_path: Path) -> None:
    root = _veatic(tmp_path, 10.0)
    put(root, {"rating_averaged/mean_valence.csv": "0.5\n" * 40})
    summary = prepare(make_adapter("veatic"), root, tmp_path / "v.jsonl")
    assert summary.clips == 3
    assert summary.findings.first["extra"] == ["rating_averaged/mean_valence.csv"]


def test_votes_stay_with_their_picture_when_a_row_is_broken(tmp_path: Path) -> None:
    pixels = " ".join(["7"] * 48 * 48)
    voted = ("happiness", "anger", "sadness")
    names = (
        *("neutral", "happiness", "surprise", "sadness", "anger"),
        *("disgust", "fear", "contempt", "unknown", "NF"),
    )
    table = f"emotion,pixels,Usage\n3,{pixels},Training\n0,{pixels}\n4,{pixels},Training\n"
    votes = ",".join(("Usage", "Image name", *names)) + "\n"
    for word in voted:
        votes += ",".join(("Training", "x.png", *(str(9 * (n == word)) for n in names))) + "\n"
    root = put(tmp_path / "fer", {"fer2013.csv": table, "fer2013new.csv": votes})
    summary = prepare(make_adapter("fer2013plus"), root, tmp_path / "f.jsonl")
    labels = {clip.clip: clip.label for clip in read_clips(tmp_path / "f.jsonl")}
    assert labels == {
        "fer2013plus/fer0000000": "happiness",
        "fer2013plus/fer0000002": "sadness",
    }
    assert summary.findings.counts["broken"] == 1
