from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_emo.cli.app import main
from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.manifest import find_package

COMMAND = [sys.executable, "-m", "edge_emo"]
BUFFERED = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("words", [["models"], ["--help"]])
def test_a_reader_that_left_is_no_error(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [*COMMAND, *words], stdout=pipe, stderr=subprocess.PIPE, env=BUFFERED, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")


PEER_LEFT = """
import argparse, sys
from edge_emo.cli.session import run_states
from edge_emo.pipeline import Pipeline
from edge_emo.sinks.base import Sink

class Peer(Sink):
    def open(self, streams, clock): ...
    def close(self): ...
    def state(self, state):
        raise BrokenPipeError(32, "Broken pipe")

pipeline = Pipeline(eeg="virtual:?seed=3", sinks=["jsonl:-", Peer()])
sys.exit(run_states(pipeline, argparse.Namespace(states=5, seconds=None, baseline=None)))
"""


def test_a_session_goes_on_when_it_is_another_sink_whose_peer_left() -> None:
    done = subprocess.run([sys.executable, "-c", PEER_LEFT], capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout.count(b"\n") >= 5
    assert b"edge-emo: Peer cannot write: [Errno 32] Broken pipe" in done.stderr


def test_a_session_ends_well_when_its_reader_leaves() -> None:
    words = [*COMMAND, "run", "--json", "--eeg", "virtual:?seed=3"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith(b"{")
        child.stdout.close()
        assert child.wait(timeout=60) == 0


def test_a_failure_is_told_also_where_the_reader_left(tmp_path: Path) -> None:
    altered = tmp_path / "physio-stress-small"
    shutil.copytree(find_package("physio").folder, altered)
    (altered / "card.md").write_text("another")
    reading, writing = os.pipe()
    os.close(reading)
    words = [*COMMAND, "models", "verify", "eeg", str(altered)]
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(words, stdout=pipe, stderr=subprocess.PIPE, env=BUFFERED, check=False)
    assert done.returncode == 4
    assert b"package.sig does not hold" in done.stderr


@pytest.mark.parametrize("env", [BUFFERED, {**BUFFERED, "PYTHONUNBUFFERED": "1"}])
def test_a_full_disk_is_one_line_and_a_code(env: dict[str, str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "models"], stdout=full, stderr=subprocess.PIPE, env=env, check=False
        )
    assert done.returncode == 1
    assert done.stderr.decode() == "edge-emo: [Errno 28] No space left on device\n"


def test_an_error_never_goes_to_stdout_where_stderr_is_closed() -> None:
    shell = 'exec "$@" 2>&-'
    words = ["sh", "-c", shell, "sh", *COMMAND, "models", "no-such-model"]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (4, b"")


@pytest.mark.parametrize("gone", ["full", "left"])
def test_a_failure_keeps_its_code_where_stderr_cannot_be_written(gone: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe, Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "bridge", "info", "/dev/absent"],
            stdout=subprocess.PIPE, stderr=full if gone == "full" else pipe, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, b"")


def test_overlap_is_refused_where_stderr_cannot_be_written(tmp_path: Path) -> None:
    manifests = [tmp_path / f"{part}.jsonl" for part in ("train", "test")]
    for path in manifests:
        write_clips(path, [Clip(f"{path.stem}1", "text", text="x", speaker="own/1")])
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [*COMMAND, "datasets", "check", *map(str, manifests)],
            stdout=subprocess.DEVNULL, stderr=pipe, check=False,
        )  # fmt: skip
    assert done.returncode == 1


def test_a_verb_does_its_work_where_stderr_cannot_be_written() -> None:
    words = [*COMMAND, "bridge", "simulate", "--seconds", "0"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=full, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith(b"/dev/")


@pytest.mark.parametrize("gone", ["full", "left"])
def test_a_session_goes_on_where_stderr_cannot_be_written(gone: str) -> None:
    """As behind a pipe whose reader was started anew: that of a service's journal."""
    reading, writing = os.pipe()
    os.close(reading)
    words = [*COMMAND, "run", "--eeg", "virtual:?seed=3", "--states", "3"]
    with os.fdopen(writing, "wb") as pipe, Path("/dev/full").open("wb") as full:
        stderr = full if gone == "full" else pipe
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=stderr, check=False)
    assert done.returncode == 0
    assert done.stdout.count(b"\n") >= 3


def test_no_file_takes_the_place_of_a_closed_stdout(tmp_path: Path) -> None:
    path = tmp_path / "states.jsonl"
    run = ["run", "--eeg", "virtual:?seed=3", "--states", "2", "--sink", f"jsonl:{path}"]
    words = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *COMMAND, *run]
    assert subprocess.run(words, check=False).returncode == 0
    lines = path.read_text().splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("{") for line in lines)


def test_a_terminal_that_is_not_utf_8_shows_what_it_can() -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = [*COMMAND, "datasets", "show", "ravdess"]
    done = subprocess.run(words, env=env, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"happy \\u2192 happiness" in done.stdout


def test_a_name_too_long_for_a_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "a" * 300]) == 1
    assert capsys.readouterr().err.startswith("edge-emo: [Errno 36] File name too long")


@pytest.mark.parametrize(
    "words",
    [
        *(["demo", "--seconds", text] for text in ("nan", "inf", "-1", "1e10", "soon")),
        *(["demo", "--states", text] for text in ("0", "-1", "1.5", "9" * 20)),
        ["demo", "--baseline", "inf"],
        *(["demo", "--seed", text] for text in ("-1", "nan")),
        *(["replay", "x", "--speed", text] for text in ("nan", "inf", "-1", "1e-300")),
        *(["bridge", "simulate", "--ppm", text] for text in ("nan", "inf", "1e9")),
        ["bench", "--seconds", "nan"],
        ["bridge", "ping", "/dev/null", "--count", "0"],
        ["evaluate", "text", "--manifest", "x", "--threads", "0"],
    ],
)
def test_absurd_numbers_are_wrong_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert words[-1] in capsys.readouterr().err


def test_a_rate_that_is_no_number_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--rate", "nan"]) == 2
    assert "rate_hz = nan" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["bench", "--model", "eeg"], "--model says nothing without --autotune"),
        (["bench", "--force"], "--force says nothing without --autotune"),
        (["bench", "folder", "--autotune"], "folder says nothing with --autotune"),
        (["bench", "--autotune", "--seconds", "0"], "--seconds says nothing with --autotune"),
        (["bench", "--autotune", "--backend", "onnx"], "--backend says nothing with --autotune"),
        (["compile", "eeg", "--on-device", "--out", "x"], "--out says nothing with --on-device"),
        (["models", "--key", "x"], "--key says nothing where nothing is signed or verified"),
        (["models", "verify", "--key", "x"], "--key says nothing where nothing is signed"),
        (
            ["models", "sign", "eeg", "--key", "x", "--trust", "y"],
            "--trust says nothing where nothing is verified",
        ),
        (["models", "keygen", "x", "--folder", "y"], "--folder says nothing where a key is made"),
    ],
)
def test_an_option_that_would_change_nothing_is_wrong_usage(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", f"edge-emo: {told}")
    assert "hint: edge-emo " in err
