"""Shards: what they hold, resuming, and the engines. Needs pip install 'edge-emo[datasets]'."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest
from datasets.trees.plant import picture, tone

from edge_emo.cli.app import main
from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.datasets.engines import run_pieces
from edge_emo.datasets.features import Parameters, content_key
from edge_emo.errors import ConfigError, DatasetError, EdgeEmoError

if importlib.util.find_spec("pyarrow") is None:
    pytest.skip("pip install 'edge-emo[datasets]'", allow_module_level=True)

from edge_emo.datasets.shards import make_shards, read_shards


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    tone(tmp_path / "a.wav", 440.0, 1.0)
    picture(tmp_path / "f.png")
    ramp = np.arange(3000, dtype=np.float32).reshape(1000, 3)
    np.savez(tmp_path / "e.npz", data=ramp, rate_hz=100.0, channels=np.array(["x", "y", "z"]))
    clips = [
        Clip("a", "voice", path="a.wav", label="anger", split="train"),
        Clip("e", "eeg", path="e.npz", split="test"),
        Clip("f", "face", path="f.png"),
        Clip("t", "text", text="A plain sentence."),
        Clip("m", "voice", path="missing.wav"),
    ]
    write_clips(tmp_path / "m.jsonl", clips)
    return tmp_path / "m.jsonl"


def test_a_shard_holds_what_each_modality_needs(manifest: Path, tmp_path: Path) -> None:
    made = make_shards(manifest, tmp_path / "s", engine="here")
    assert [(shard.clips, len(shard.failed)) for shard in made] == [(4, 1)]
    assert made[0].seconds == pytest.approx(11.0)
    rows = {clip.clip: (clip, kept) for clip, kept in read_shards(tmp_path / "s")}
    assert rows["a"][0].label == "anger"
    frames = rows["a"][1].data
    assert frames.shape == (98, 48)
    assert frames.dtype == np.float16
    windows = rows["e"][1].data
    assert windows.shape == (4, 400, 3)
    assert windows[1, 0, 0] == 600.0
    assert rows["f"][1].data.shape == (1, 96, 96)
    assert rows["t"][0].text == "A plain sentence."


def test_an_interrupted_run_goes_on_and_a_changed_file_is_made_again(
    manifest: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "s"
    first = make_shards(manifest, folder, engine="here")
    (folder / "shard-00000-half.part").write_bytes(b"half")
    again = make_shards(manifest, folder, engine="here")
    assert [shard.kept for shard in again] == [True]
    assert again[0]._replace(kept=False) == first[0]
    tone(tmp_path / "a.wav", 880.0, 1.0)
    changed = make_shards(manifest, folder, engine="here")
    assert not changed[0].kept
    assert changed[0].name != first[0].name
    wider = make_shards(manifest, folder, engine="here", parameters=Parameters(face_px=48))
    assert not wider[0].kept
    assert len(list(folder.glob("*.parquet"))) == 1


def test_two_processes_make_what_one_makes(manifest: Path, tmp_path: Path) -> None:
    one = make_shards(manifest, tmp_path / "one", engine="here")
    two = make_shards(manifest, tmp_path / "two", engine="processes:2")
    assert one == two


def test_a_film_is_followed_and_told_when_no_face_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "grey.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 64))
    for _ in range(5):
        writer.write(np.full((64, 64, 3), 90, np.uint8))
    writer.release()
    write_clips(tmp_path / "m.jsonl", [Clip("v", "face", path="grey.avi")])
    made = make_shards(tmp_path / "m.jsonl", tmp_path / "s", engine="here")
    assert "no face is found" in made[0].failed[0]


def test_faces_of_films_are_kept_for_the_packages_that_found_them(tmp_path: Path) -> None:
    picture(tmp_path / "f.png")
    shutil.copy(tmp_path / "f.png", tmp_path / "f.mp4")

    def keys(path: str) -> set[bytes]:
        clip = Clip("f", "face", path=path)
        found = (None, ("one", ""), ("one", "two"), ("another", "two"))
        return {content_key(clip, tmp_path, Parameters(), finders) for finders in found}

    assert len(keys("f.mp4")) == 4
    assert len(keys("f.png")) == 1


class Damaged:
    """A film whose frames are found and cannot be decoded, as OpenCV tells of one."""

    def __init__(self, path: str) -> None:
        pass

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, key: int) -> float:
        return 25.0

    def set(self, key: int, value: float) -> bool:
        return True

    def grab(self) -> bool:
        return True

    def retrieve(self) -> tuple[bool, None]:
        return False, None

    def release(self) -> None:
        pass


def test_a_film_that_cannot_be_decoded_leaves_the_other_clips(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "v.mp4").write_bytes(b"moov")
    clips = [Clip("v", "face", path="v.mp4"), Clip("f", "face", path="f.png")]
    write_clips(manifest, clips)
    monkeypatch.setattr(cv2, "VideoCapture", Damaged)
    (made,) = make_shards(manifest, tmp_path / "s", engine="here")
    assert made.clips == 1
    assert "is damaged at frame 0" in made.failed[0]


def test_faces_of_a_real_film_are_cropped(shared_data: Path, tmp_path: Path) -> None:
    film = next(iter(sorted((shared_data / "video").glob("*.mp4"))))
    clip = Clip("v", "face", path=film.name, start_s=0.0, end_s=1.0)
    write_clips(tmp_path / "m.jsonl", [clip])
    make_shards(tmp_path / "m.jsonl", tmp_path / "s", root=film.parent, engine="here")
    (_, kept), *_ = read_shards(tmp_path / "s")
    assert kept.kind == "faces"
    assert 3 <= len(kept.data) <= 6
    assert kept.seconds == pytest.approx(1.0, abs=0.05)


def test_the_sound_of_a_real_film_is_heard(shared_data: Path, tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("sudo apt-get install ffmpeg")
    film = next(iter(sorted((shared_data / "video" / "grid").iterdir())))
    clips = [
        Clip("v", "voice", path=film.name, start_s=0.5, end_s=1.5),
        Clip("t", "voice", path="absent.mp4"),
    ]
    write_clips(tmp_path / "m.jsonl", clips)
    made = make_shards(tmp_path / "m.jsonl", tmp_path / "s", root=film.parent, engine="here")
    assert made[0].seconds == pytest.approx(1.0, abs=0.01)
    (_, kept), *_ = read_shards(tmp_path / "s")
    assert kept.data.shape == (98, 48)


@pytest.mark.parametrize(
    ("name", "value"),
    [("hop_s", 0.0), ("window_s", float("nan")), ("face_hz", -1.0), ("face_px", 0)],
)
def test_parameters_that_give_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        Parameters(**{name: value})


def test_sound_of_an_odd_rate_is_left_out(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav", 440.0, 1.0)
    with wave.open(str(tmp_path / "b.wav"), "wb") as file:
        file.setparams((1, 2, 900, 0, "NONE", ""))
        file.writeframes(bytes(1800))
    clips = [Clip("a", "voice", path="a.wav"), Clip("b", "voice", path="b.wav")]
    write_clips(tmp_path / "m.jsonl", clips)
    made = make_shards(tmp_path / "m.jsonl", tmp_path / "s", engine="here")
    assert [(shard.clips, shard.failed) for shard in made] == [
        (1, ("clip b: sound at 900 Hz cannot be converted to 16000 Hz",))
    ]


def test_a_worker_that_the_system_ends_is_told_of() -> None:
    with pytest.raises(EdgeEmoError, match="for want of memory") as raised:
        list(run_pieces(os._exit, [9], "processes:2"))
    assert "processes:1" in raised.value.hint


def test_unknown_engines_are_refused() -> None:
    with pytest.raises(ConfigError, match="no engine 'cloud'"):
        list(run_pieces(len, ["a"], "cloud"))
    with pytest.raises(ConfigError, match="no number of workers"):
        list(run_pieces(len, ["a"], "processes:many"))


def test_an_empty_folder_has_no_shards(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no shards"):
        next(read_shards(tmp_path))


@pytest.mark.timeout(400)  # starting a cluster takes a minute on a busy machine
@pytest.mark.absent_in_ci("Ray is 80 MB; its extra is for clusters")
def test_a_local_ray_of_two_workers_makes_the_same(manifest: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("pip install 'edge-emo[ray]'")
    here = make_shards(manifest, tmp_path / "here", engine="here")
    assert make_shards(manifest, tmp_path / "ray", engine="ray:local:2") == here


def test_the_command_line_writes_shards(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["datasets", "shards", str(manifest), str(tmp_path / "s"), "--engine", "here", "--json"]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "shards": 1,
        "kept": 0,
        "clips": 4,
        "failed": 1,
        "seconds": 11.0,
    }
    assert "missing.wav" in captured.err
