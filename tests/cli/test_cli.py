from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

from edge_emo.cli.app import VERBS, exit_code, main
from edge_emo.errors import (
    ConfigError,
    DeviceLostError,
    EdgeEmoError,
    ModelIntegrityError,
    UnavailableError,
)

EEG = "virtual:?seed=3"


def test_states_are_json_lines_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--eeg", EEG, "--json", "--states", "3"]) == 0
    states = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(states) >= 3
    assert [state["seq"] for state in states] == list(range(len(states)))
    assert states[0]["expressed"] is None


def test_a_session_is_recorded_and_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "session")
    assert main(["record", folder, "--raw", "--eeg", EEG, "--states", "8", "--json"]) == 0
    capsys.readouterr()
    outputs = []
    for _ in range(2):
        assert main(["replay", folder, "--json"]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert outputs[0].count("\n") >= 7


def test_a_damaged_recording_is_told_and_can_be_repaired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "session"
    assert main(["record", str(folder), "--raw", "--eeg", EEG, "--states", "20", "--json"]) == 0
    lines = (folder / "eeg.csv").read_text().splitlines(keepends=True)
    lines[-100] = "not,a,row\n"
    (folder / "eeg.csv").write_text("".join(lines))
    assert main(["replay", str(folder), "--json"]) == 1
    assert "eeg.csv" in capsys.readouterr().err
    assert main(["replay", str(folder), "--json", "--repair"]) == 0


def test_a_recording_that_a_crash_cut_is_replayed_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "session"
    assert main(["record", str(folder), "--raw", "--eeg", EEG, "--states", "20", "--json"]) == 0
    header = folder / "session.json"
    header.write_text(header.read_text().replace('"closed": true', '"closed": false'))
    (folder / "eeg.csv").write_bytes((folder / "eeg.csv").read_bytes()[:-10])
    assert main(["replay", str(folder), "--json"]) == 0
    assert "eeg.csv ends early" in caplog.text
    assert "what came before is read" in caplog.text


def test_devices_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"camera", "microphone", "eeg"} <= {row["kind"] for row in listed}
    assert {frozenset(row) for row in listed} == {frozenset(["kind", "address", "description"])}


class DeafPyAudio(types.ModuleType):
    """PyAudio on a machine whose sound system does not start."""

    def PyAudio(self) -> None:  # noqa: N802 - PyAudio's name
        raise OSError(-9999, "Unanticipated host error")


def test_a_driver_that_cannot_look_does_not_hide_the_devices_of_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyaudio", DeafPyAudio("pyaudio"))
    assert main(["devices"]) == 3
    out, err = capsys.readouterr()
    assert "microphone.portaudio: PortAudio does not start" in err
    assert "arecord" in err
    assert "virtual eeg" in out


def test_doctor_says_what_works_and_mends_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    parts = {finding["part"] for finding in findings}
    assert {"system", "backend", "driver", "sink", "model"} <= parts
    sinks = {f["name"] for f in findings if f["part"] == "sink"}
    assert {"console", "udp", "mqtt", "mqtts", "bridge"} <= sinks
    assert all(finding["works"] or finding["hint"] for finding in findings)
    assert any(f["part"] == "backend" and f["name"] == "litert" and f["works"] for f in findings)


def test_models_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert main(["models", "eeg"]) == 0
    shown = capsys.readouterr().out
    assert listed.splitlines()[0].split()[0]
    assert "weights:" in shown
    assert {"files", "measured", "backends here"} <= set(shown.splitlines())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run"], 2, "no stream was named"),
        (["run", "--eeg", "toaster:"], 2, "no eeg driver called 'toaster'"),
        (["run", "--eeg", "virtual:?sed=3"], 2, "no option 'sed'"),
        (["run", "--eeg", EEG, "--rate", "0"], 2, "rate_hz"),
        (["run", "--eeg", EEG, "--backend", "abacus"], 2, "abacus"),
        (["run", "--camera", "opencv:no/such/clip.mp4"], 3, "no/such/clip.mp4"),
        (["run", "--config", "no/such.toml"], 2, "no/such.toml"),
        (["replay", "no/such/session"], 1, "no/such/session"),
        (["models", "no-such-model"], 4, "no-such-model"),
        (["evaluate", "eeg", "--manifest", "no/such.jsonl"], 1, "no/such.jsonl"),
    ],
)
def test_a_failure_is_one_line_a_hint_and_a_code(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    assert err.startswith("edge-emo: ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EdgeEmoError("x"), 1),
        (UnavailableError("x"), 1),
        (ConfigError("x"), 2),
        (DeviceLostError("x"), 3),
        (ModelIntegrityError("x"), 4),
    ],
)
def test_exit_codes(error: EdgeEmoError, code: int) -> None:
    assert exit_code(error) == code


def test_wrong_usage_is_two() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--no-such-option"])
    assert caught.value.code == 2


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    assert caught.value.code == 0
    assert len(capsys.readouterr().out) > 100


def test_a_closed_pipe_is_no_error() -> None:
    command = [sys.executable, "-m", "edge_emo", "run", "--eeg", EEG, "--json", "--states", "9"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        complaint = child.stderr.read().decode()
    assert child.returncode == 0
    assert "Traceback" not in complaint


def test_sigterm_ends_a_session_cleanly(tmp_path: Path) -> None:
    path = tmp_path / "states.jsonl"
    command = [sys.executable, "-m", "edge_emo", "run", "--eeg", EEG, "--json"]
    command += ["--sink", f"jsonl:{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.terminate()
        _, complaint = child.communicate(timeout=20)
    assert child.returncode == 0, complaint
    states = [json.loads(line) for line in path.read_text().splitlines()]
    assert [state["seq"] for state in states] == list(range(len(states)))
    assert states


def test_sigterm_ends_a_session_cleanly_while_a_baseline_is_taken() -> None:
    command = [sys.executable, "-m", "edge_emo", "run", "--eeg", EEG, "--json"]
    command += ["--baseline", "600"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        while b"rest for 600 s" not in child.stderr.readline():
            pass
        child.terminate()
        _, complaint = child.communicate(timeout=20)
    assert child.returncode == 0, complaint
