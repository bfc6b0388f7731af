"""What a verb prints, and when it ends because it can print no more."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge_emo.cli.app import main
from edge_emo.pipeline import Pipeline
from edge_emo.recording import Writer
from edge_emo.types import EmotionState

COMMAND = [sys.executable, "-m", "edge_emo"]
EEG = "virtual:?seed=3"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_session_ends_with_an_error_when_nothing_more_can_be_printed(form: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "run", "--eeg", EEG, *form],
            stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert b"cannot write: [Errno 28] No space left on device" in done.stderr


def test_record_ends_with_an_error_when_its_recorder_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(writer: Writer, state: EmotionState) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, "state", full)
    assert main(["record", str(tmp_path / "s"), "--eeg", EEG, "--json"]) == 1
    assert "RecordSink cannot write: [Errno 28]" in capsys.readouterr().err


@pytest.mark.parametrize("sink", ["console:", "console:x", "jsonl:-", "csv:-"])
def test_with_json_there_is_nothing_else_on_stdout(
    sink: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'sinks = ["{sink}"]\n[streams]\neeg = "{EEG}"\n')
    assert main(["run", "--config", str(config), "--json", "--states", "3"]) == 0
    states = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [state["seq"] for state in states] == list(range(len(states)))


@pytest.mark.parametrize(
    "words", [["--json", "--sink", "csv:-"], ["--sink", "console:", "--sink", "jsonl:-"]]
)
def test_two_that_would_print_on_stdout_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--eeg", EEG, *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "would both print on stdout" in err


def test_a_sink_of_the_command_line_prints_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'sinks = ["console:"]\n[streams]\neeg = "{EEG}"\n')
    words = ["run", "--config", str(config), "--sink", "jsonl:-", "--states", "3"]
    assert main(words) == 0
    assert all(line.startswith("{") for line in capsys.readouterr().out.splitlines())


def test_a_configured_sink_that_prints_takes_the_place_of_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'sinks = ["jsonl:-"]\n[streams]\neeg = "{EEG}"\n')
    assert main(["run", "--config", str(config), "--states", "3"]) == 0
    states = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [state["seq"] for state in states] == list(range(len(states)))


def test_states_are_counted_from_the_end_of_the_rest_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rest(pipeline: Pipeline, *, seconds: float) -> None:
        next(state for state in pipeline if state.seq >= 10)

    monkeypatch.setattr(Pipeline, "calibrate", rest)
    words = ["run", "--eeg", EEG, "--json", "--rate", "50", "--baseline", "2", "--states", "5"]
    assert main(words) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["seq"] >= 10 + 5


def test_a_rest_longer_than_the_limit_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--eeg", EEG, "--json", "--baseline", "2", "--seconds", "0.2"]
    assert main(words) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(("form", "begins"), [(["--json"], '{"'), ([], " ")])
@pytest.mark.parametrize(("before", "between"), [("", ""), ("{}\n", ""), ('{"cut', "\n")])
def test_a_line_that_was_cut_is_ended_before_the_next(
    before: str, between: str, form: list[str], begins: str, tmp_path: Path
) -> None:
    path = tmp_path / "states.jsonl"
    path.write_text(before)
    with path.open("ab") as file:
        words = [*COMMAND, "run", "--eeg", EEG, *form, "--states", "1"]
        subprocess.run(words, stdout=file, check=True, timeout=60)
    assert path.read_text().startswith(before + between + begins)


def test_a_recording_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        words = ["record", str(tmp_path / "s"), "--raw", "--eeg", EEG, "--states", "2"]
        assert main(words) == 0
    finally:
        os.umask(before)
    kept = [tmp_path / "s", *(tmp_path / "s").iterdir()]
    assert len(kept) > 4
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in kept} == {0}


def test_only_a_full_disk_is_told_to_be_emptied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["record", str(tmp_path / "file"), "--eeg", EEG]) == 1
    told = capsys.readouterr().err
    assert "File exists" in told
    assert "record to another folder" in told
    assert "free space" not in told


def test_what_was_recorded_without_raw_data_cannot_be_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", str(tmp_path / "s"), "--eeg", EEG, "--states", "2"]) == 0
    assert main(["bench", str(tmp_path / "s")]) == 1
    assert "recorded without raw data" in capsys.readouterr().err
