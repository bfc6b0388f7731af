from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_emo.cli.app import main


def record(folder: Path) -> str:
    words = ["record", str(folder), "--raw", "--eeg", "virtual:?seed=3", "--states", "8", "--json"]
    assert main(words) == 0
    return str(folder)


def test_a_recorded_session_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = record(tmp_path / "a session? yes=1")
    capsys.readouterr()
    assert main(["bench", folder, "--seconds", "0", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["streams"]) == ["eeg"]
    assert report["latency"]["n"] >= 1


def test_a_stream_that_fails_meanwhile_fails_the_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(tmp_path / "session")
    path = tmp_path / "session" / "eeg.csv"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    capsys.readouterr()
    assert main(["bench", folder, "--seconds", "5"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "eeg.csv ends early" in err


def test_times_that_cannot_be_kept_are_told_and_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert main(["bench", "--autotune", "--model", "physio", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["package"] == "physio-stress-small"
    assert "edge-emo: the times could not be kept" in err
    assert "hint: name one: XDG_CACHE_HOME=" in err
