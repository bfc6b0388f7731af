from __future__ import annotations

import csv
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge_emo.clock import Clock, ManualClock
from edge_emo.errors import ConfigError, EdgeEmoError, RecordingError
from edge_emo.recording import Recording
from edge_emo.recording.values import state_from_json
from edge_emo.registry import SINKS, Address, construct
from edge_emo.sinks.base import Sink, SinkRunner
from edge_emo.sinks.console import ConsoleSink
from edge_emo.sinks.csv import COLUMNS
from edge_emo.sinks.jsonl import JsonLinesSink
from edge_emo.types import (
    CATEGORIES,
    Affect,
    EmotionState,
    Posterior,
    StreamHealth,
    StreamInfo,
    abstention,
)

STREAMS = {"camera": StreamInfo("camera", 30.0, (), "rgb8", "a camera")}


def affect(label: str, arousal: float | None = 0.25) -> Affect:
    rest = 0.4 / 6
    shares = tuple(0.6 if name == label else rest for name in CATEGORIES)
    return Affect(Posterior(CATEGORIES, shares), label, 0.6, -0.5, arousal, None, 0.9, 12_000_000)


def a_state(seq: int = 0) -> EmotionState:
    health = StreamHealth("camera", True, True, True, 5, 29.9, 3, 0.0, 1, "")
    return EmotionState(
        t_ns=1_500_000_000,
        seq=seq,
        latency_ns=20_000_000,
        expressed=affect("anger"),
        felt=None,
        divergence=None,
        by_modality={"voice": abstention("voice", 7, 3, "silence")},
        health={"camera": health},
    )


def write(address: str, states: list[EmotionState]) -> SinkRunner:
    parsed = Address.parse(address)
    runner = SinkRunner(construct(SINKS.load(parsed.name), parsed), lossless=True)
    runner.open(STREAMS, ManualClock())
    for state in states:
        runner.put(state)
    runner.put({"t_ns": 1, "stream": "camera", "event": "gone", "reason": "unplugged"})
    runner.close()
    return runner


def test_json_lines_hold_every_field(tmp_path: Path) -> None:
    path = tmp_path / "states.jsonl"
    assert write(f"jsonl:{path}", [a_state(0), a_state(1)]).error is None
    lines = path.read_text().splitlines()
    assert [state_from_json(json.loads(line)) for line in lines] == [a_state(0), a_state(1)]


@pytest.mark.parametrize("name", ["jsonl", "csv"])
def test_a_file_that_is_emptied_while_it_is_written_goes_on_at_its_beginning(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "states"
    sink = construct(SINKS.load(name), Address.parse(f"{name}:{path}"))
    sink.open(STREAMS, ManualClock())
    sink.state(a_state(0))
    os.truncate(path, 0)  # as logrotate does with copytruncate
    sink.state(a_state(1))
    sink.close()
    (line,) = path.read_bytes().splitlines()
    assert b"\0" not in line


def test_csv_has_the_same_columns_always(tmp_path: Path) -> None:
    path = tmp_path / "states.csv"
    nothing = EmotionState(0, 1, 0, None, None, None, reason="no face")
    write(f"csv:{path}", [a_state(), nothing])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["expressed_label"] == "anger"
    assert float(rows[0]["expressed_anger"]) == 0.6
    assert float(rows[0]["expressed_age_s"]) == 0.012
    assert rows[0]["felt_label"] == ""
    assert rows[1]["expressed_label"] == ""
    assert rows[1]["reason"] == "no face"


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "kept"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="exists already"):
        write(f"{kind}:{path}", [])
    assert path.read_text() == "precious"


def test_a_file_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write"):
        write(f"csv:{tmp_path / 'absent' / 'x.csv'}", [])


def test_the_recorder_keeps_states_and_events(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    write(f"record:{folder}", [a_state()])
    recording = Recording(folder)
    assert list(recording.states()) == [a_state()]
    assert [event["event"] for event in recording.events()] == ["gone"]
    assert recording.raw_kinds == ()


def test_the_recorder_refuses_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pytest.raises(RecordingError):
        write(f"record:{tmp_path}", [])


def test_the_console_prints_one_line_a_state(capsys: pytest.CaptureFixture[str]) -> None:
    write("console:", [a_state()])
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert "expressed anger 0.60 v -0.50 a +0.25" in out
    assert "felt unknown" in out
    assert "voice: silence" in out
    assert "camera: a camera, 30 Hz" in err
    assert "camera is gone: unplugged" in err


def test_the_table_names_every_category(capsys: pytest.CaptureFixture[str]) -> None:
    sink = ConsoleSink(table=True)
    sink.open(STREAMS, ManualClock())
    sink.state(a_state())
    sink.state(a_state())
    out = capsys.readouterr().out
    assert all(out.count(name) >= 2 for name in CATEGORIES)
    assert "3 dropped" in out


def test_the_table_is_whole_on_a_serial_line_that_tells_no_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda: os.terminal_size((0, 0)))
    ConsoleSink(table=True).state(a_state())
    out = capsys.readouterr().out
    assert all(name in out for name in CATEGORIES)


class Broken(Sink):
    def __init__(self, error: Exception | None = None) -> None:
        self.taken = 0
        self.closed = False
        self.error = error or OSError(28, "No space left on device")

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        pass

    def state(self, state: EmotionState) -> None:
        self.taken += 1
        raise self.error

    def close(self) -> None:
        self.closed = True


def test_a_sink_that_breaks_says_so_and_holds_nobody_up() -> None:
    sink = Broken()
    runner = SinkRunner(sink, lossless=True)
    runner.open({}, ManualClock())
    for seq in range(5000):
        runner.put(a_state(seq))
    runner.close()
    assert sink.taken == 1
    assert "No space left" in str(runner.error)


@pytest.mark.parametrize("error", [RecordingError("full"), OSError("full"), ValueError("a bug")])
def test_a_sink_that_breaks_is_closed_whatever_it_raises(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Broken(error)
    runner = SinkRunner(sink, lossless=True)
    runner.open({}, ManualClock())
    for seq in range(5000):
        runner.put(a_state(seq))
    runner.close()
    assert (sink.taken, sink.closed) == (1, True)
    assert str(error) in str(runner.error)
    assert ("Traceback" in caplog.text) == isinstance(error, ValueError)


class Finishing(Broken):
    """Has taken everything, and writes the last of it each time that somebody asks."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.finished = 4, threading.Event()

    def unwritten(self) -> int:
        self.left -= 1
        if not self.left:
            self.finished.set()
        return self.left

    def close(self) -> None:
        self.finished.wait(30)


@pytest.mark.parametrize("lossless", [True, False])
def test_a_lossless_sink_may_write_what_it_took_as_long_as_that_gets_less(lossless: bool) -> None:
    sink = Finishing()
    runner = SinkRunner(sink, lossless=lossless)
    runner.open({}, ManualClock())
    runner.close(timeout_s=0.01)
    assert (runner.error is None) == lossless
    sink.finished.set()


def test_a_sink_that_fails_to_finish_in_any_way_says_so(caplog: pytest.LogCaptureFixture) -> None:
    class Unfinished(Broken):
        def close(self) -> None:
            super().close()
            raise ValueError("a bug")

    runner = SinkRunner(Unfinished())
    runner.open({}, ManualClock())
    runner.close()
    assert str(runner.error) == "Unfinished failed: ValueError: a bug"
    assert "Traceback" in caplog.text


class Hanging(Broken):
    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def state(self, state: EmotionState) -> None:
        self.release.wait(30)


def test_a_sink_that_does_not_finish_has_failed() -> None:
    sink = Hanging()
    runner = SinkRunner(sink)
    runner.open({}, ManualClock())
    runner.put(a_state())
    runner.close(timeout_s=0.0)
    sink.release.set()
    assert str(runner.error) == "Hanging did not finish within 0 s"


@pytest.mark.parametrize("error", [OSError(28, "No space left"), ValueError("a bug")])
def test_a_sink_that_cannot_be_opened_is_closed(error: Exception) -> None:
    class Full(Broken):
        def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
            raise error

    sink = Full()
    runner = SinkRunner(sink)
    with pytest.raises(EdgeEmoError, match=r"No space left|a bug"):
        runner.open({}, ManualClock())
    assert sink.closed
    runner.close()


class Slow(Broken):
    def state(self, state: EmotionState) -> None:
        self.taken += 1
        threading.Event().wait(0.02)  # as a disk takes


def test_a_lossless_sink_may_take_its_time_while_it_goes_on() -> None:
    sink = Slow()
    runner = SinkRunner(sink, lossless=True)
    runner.open({}, ManualClock())
    for seq in range(40):
        runner.put(a_state(seq))
    runner.close(timeout_s=0.4)
    assert (sink.taken, sink.closed, runner.error) == (40, True, None)


def test_what_never_reached_a_slow_sink_is_told(caplog: pytest.LogCaptureFixture) -> None:
    sink = Hanging()
    runner = SinkRunner(sink)
    runner.open({}, ManualClock())
    for seq in range(2100):
        runner.put(a_state(seq))
    sink.release.set()
    runner.close()
    assert f"Hanging was too slow: {runner.drops} items never reached it" in caplog.text
    assert runner.drops >= 51


def test_a_file_on_a_full_disk_is_closed_all_the_same() -> None:
    sink = JsonLinesSink("unused")
    sink._file = file = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closed below
    with pytest.raises(OSError, match="No space left"):
        sink.state(a_state())
    with pytest.raises(OSError, match="No space left"):
        sink.close()
    assert file.closed
