"""Clips that cannot be read: named, counted, and no loss of the others."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from edge_emo.cli.app import main
from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.errors import ConfigError, DatasetError
from edge_emo.evaluation.evaluate import run_clips, summarise
from edge_emo.types import StreamInfo
from tests.evaluation.test_evaluate import BrightnessEstimator, package, picture


class Choosy(BrightnessEstimator):
    """Takes no pictures of a device called film."""

    def start(self, info: StreamInfo) -> None:
        if "film" in info.device:
            raise ConfigError("a film at 1 Hz cannot be read", hint="open another camera")


def sound(path: Path, rate_hz: int, seconds: float = 2.0) -> str:
    samples = np.random.default_rng(1).normal(0, 3000, round(rate_hz * seconds))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return path.name


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    good = [picture(tmp_path, 51, "calm"), picture(tmp_path, 204, "tense")]
    (tmp_path / "film.png").write_bytes((tmp_path / "51.png").read_bytes())
    (tmp_path / "empty.png").touch()
    (tmp_path / "clip.mp4").write_bytes(b"no film")
    bad = [
        Clip(name, "face", path=name, label="calm")
        for name in ("gone.png", "empty.png", "clip.mp4", "film.png")
    ]
    return [bad[0], good[0], *bad[1:], good[1]]


WHY = {
    "gone.png": "does not exist",
    "empty.png": "is empty",
    "clip.mp4": "cannot be read as face",
    "film.png": "a film at 1 Hz cannot be read",
}


@pytest.mark.parametrize("name", WHY)
def test_the_error_names_clip_and_file_and_what_to_do(
    tmp_path: Path, clips: list[Clip], name: str
) -> None:
    chosen = [clip for clip in clips if clip.clip in (name, "51.png")]
    with pytest.raises(DatasetError, match=WHY[name]) as caught:
        run_clips(Choosy(), package(), chosen, tmp_path)
    assert caught.value.message.startswith(f"clip {name}: {tmp_path / name}")
    assert caught.value.hint


def test_what_cannot_be_read_costs_none_of_the_others(tmp_path: Path, clips: list[Clip]) -> None:
    done: list[tuple[int, int]] = []
    ran = run_clips(
        Choosy(), package(), clips, tmp_path, lambda *at: done.append(at), keep_going=True
    )
    assert [one.clip.clip for one in ran.outcomes] == ["51.png", "204.png"]
    assert done == [(n, 6) for n in range(7)]
    for line, (name, why) in zip(ran.unread, WHY.items(), strict=True):
        assert name in line
        assert why in line
    report = summarise(package(), ran, ())
    assert (report.n, report.n_unread, report.n_left_out, report.accuracy) == (2, 4, 0, 1.0)
    assert report.unread == tuple(ran.unread)
    assert "n_unread                            4" in report.table().splitlines()


def test_when_nothing_can_be_read_the_first_is_named(tmp_path: Path, clips: list[Clip]) -> None:
    bad = [clip for clip in clips if clip.clip in WHY]
    with pytest.raises(DatasetError, match=r"none of 4 clips could be read.*gone\.png") as caught:
        run_clips(Choosy(), package(), bad, tmp_path, keep_going=True)
    assert "--root" in caught.value.hint


def test_a_rest_that_cannot_be_read_is_an_error_always(tmp_path: Path, clips: list[Clip]) -> None:
    rest = Clip("rest", "face", path="gone.png", speaker="a", split="rest")
    with pytest.raises(DatasetError, match="clip rest: "):
        run_clips(
            Choosy(), package(), [*clips, rest], tmp_path, baseline_split="rest", keep_going=True
        )


def test_the_command_reports_the_rest_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound(tmp_path / "good.wav", 16_000)
    sound(tmp_path / "slow.wav", 1_000)
    (tmp_path / "empty.wav").touch()
    manifest = tmp_path / "clips.jsonl"
    names = ("good.wav", "slow.wav", "empty.wav", "gone.flac", "clip.mp4")
    (tmp_path / "clip.mp4").write_bytes(b"no film")
    write_clips(manifest, [Clip(name, "voice", path=name, label="anger") for name in names])
    assert main(["evaluate", "voice", "--manifest", str(manifest), "--json"]) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["n"], found["n_unread"]) == (1, 4)
    assert "edge-emo: 4 of 5 clips could not be read:" in err
    for name in names[1:]:
        assert f"clip {name}: {tmp_path / name}" in err
    assert "microphone" not in err
    write_clips(manifest, [Clip("good", "voice", path="good.wav", label="anger")])
    assert main(["evaluate", "voice", "--manifest", str(manifest)]) == 0
    assert "n_unread                            0" in capsys.readouterr().out.splitlines()
