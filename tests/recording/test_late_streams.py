"""Streams that are opened while a recording goes on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from edge_emo import Config, EmotionState, Pipeline
from edge_emo.clock import Clock, ManualClock
from edge_emo.config import States
from edge_emo.drivers.base import Driver
from edge_emo.errors import ClosedError, DeviceNotFoundError, DeviceTimeoutError
from edge_emo.recording import Recording, Writer
from edge_emo.recording.values import state_to_json
from edge_emo.sinks.base import Sink, SinkRunner
from edge_emo.types import Chunk, Kind, StreamInfo

EEG = StreamInfo("eeg", 250.0, ("C3",), "uv", "a board")
SOUND = StreamInfo("microphone", 16000.0, ("mono",), "full-scale", "a microphone")


def eeg(n: int) -> Chunk:
    return Chunk("eeg", n * 10, n * 40_000_000, 250.0, np.full((10, 1), n, np.float32))


def sound(n: int) -> Chunk:
    data = np.full((640, 1), n / 64, np.float32)
    return Chunk("microphone", n * 640, 7_000_000_000 + n * 40_000_000, 16000.0, data)


def values(chunks: object) -> list[tuple[int, int, bytes]]:
    return [(c.seq, c.t_ns, c.samples.tobytes()) for c in chunks]  # type: ignore[attr-defined]


def record(folder: Path, *, raw: bool = True, queue_bytes: int = 1 << 20) -> Recording:
    writer = Writer(folder, {"eeg": EEG}, ManualClock(), raw=raw, queue_bytes=queue_bytes)
    writer.open()
    writer.chunk(eeg(0))
    writer.stream("microphone", SOUND)
    for n in range(5):
        writer.chunk(sound(n))
    writer.chunk(eeg(1))
    writer.close()
    return Recording(folder)


def test_a_stream_that_joins_is_recorded_from_its_first_chunk(tmp_path: Path) -> None:
    recording = record(tmp_path / "session")
    assert dict(recording.streams) == {"eeg": EEG, "microphone": SOUND}
    assert recording.header.closed
    assert values(recording.chunks("microphone")) == values(sound(n) for n in range(5))
    assert values(recording.chunks("eeg")) == values(eeg(n) for n in range(2))
    assert list(recording.events()) == []


def test_without_raw_data_the_header_alone_names_what_joined(tmp_path: Path) -> None:
    recording = record(tmp_path / "session", raw=False)
    assert set(recording.streams) == {"eeg", "microphone"}
    assert recording.raw_kinds == ()
    assert not (tmp_path / "session" / "microphone.wav").exists()


def test_a_full_queue_costs_chunks_and_never_the_stream(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    writer = Writer(folder, {}, ManualClock(), raw=True, queue_bytes=1)
    writer.open()
    for n in range(200):
        writer.chunk(eeg(n))
    writer.stream("microphone", SOUND)
    writer.close()
    recording = Recording(folder)
    assert recording.info("microphone") == SOUND
    assert list(recording.chunks("microphone")) == []


def test_a_stream_that_joins_again_stays_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    writer = Writer(folder, {"eeg": EEG}, ManualClock(), raw=True)
    writer.open()
    other = StreamInfo("eeg", 500.0, ("C3", "C4"), "uv", "another board")
    writer.stream("eeg", other)
    writer.chunk(Chunk("eeg", 0, 0, 500.0, np.zeros((2, 2), np.float32)))
    writer.chunk(eeg(3))
    writer.close()
    recording = Recording(folder)
    assert recording.info("eeg") == EEG
    assert values(recording.chunks("eeg")) == values([eeg(3)])
    assert [event["event"] for event in recording.events()] == ["left out of the recording"]


def test_what_joined_is_read_after_a_crash(tmp_path: Path) -> None:
    record(tmp_path / "session")
    path = tmp_path / "session" / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "closed": False}))
    (tmp_path / "session" / "microphone.times.csv").write_text("t_ns,seq,samples\n70")
    recording = Recording(tmp_path / "session")
    assert list(recording.chunks("microphone")) == []
    assert len(recording.damage) == 1


class Listing(Sink):
    """Keeps what it is told of streams and chunks, in order."""

    wants_all = True

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        self.told += streams.items()

    def stream(self, name: str, info: StreamInfo) -> None:
        self.told.append((name, info))

    def state(self, state: EmotionState) -> None:
        pass

    def chunk(self, chunk: Chunk) -> None:
        self.told.append((chunk.stream, chunk.seq))

    def close(self) -> None:
        pass


def test_a_sink_is_told_of_a_stream_once_and_before_its_first_chunk() -> None:
    sink = Listing()
    runner = SinkRunner(sink, lossless=True)
    runner.open({"eeg": EEG}, ManualClock())
    runner.chunk(eeg(0), EEG)
    for n in range(2):
        runner.chunk(sound(n), SOUND)
    runner.close()
    assert sink.told == [
        ("eeg", EEG),
        ("eeg", 0),
        ("microphone", SOUND),
        ("microphone", 0),
        ("microphone", 640),
    ]


class LateBoard(Driver):
    """A board that is plugged in after it was looked for once."""

    kind: Kind = "eeg"

    def __init__(self) -> None:
        self._attempts = 0
        self._left = iter(())

    def open(self, clock: Clock) -> StreamInfo:
        self._attempts += 1
        if self._attempts == 1:
            raise DeviceNotFoundError("no board", hint="plug it in")
        self._start_ns = clock.now_ns()
        self._left = itertools.count()
        return EEG

    def read(self, timeout_s: float) -> Chunk | None:
        if not self._attempts:
            raise ClosedError("not open")
        n = next(self._left)
        if n >= 50:
            raise DeviceTimeoutError("silent")
        t_ns = self._start_ns + n * 40_000_000
        return Chunk("eeg", n * 10, t_ns, 250.0, np.full((10, 1), n, np.float32))

    def close(self) -> None:
        pass


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    folder = tmp_path / "session"
    config = Config(states=States(wait_for_devices=True))
    sinks = [f"record:{folder}?raw=true"]
    with Pipeline(
        microphone="virtual:?seed=3", eeg=LateBoard(), config=config, sinks=sinks
    ) as pipeline:
        for state in pipeline:
            assert state.t_ns < 30e9, state
            age_ns = state.health["eeg"].age_ns
            if age_ns is not None and state.t_ns > 3e9:
                break
    return folder


def replay(folder: Path) -> list[str]:
    with Pipeline.replay(folder) as pipeline:
        return [json.dumps(state_to_json(state)) for state in pipeline]


def test_a_device_that_arrives_late_is_recorded_and_replayed_bit_by_bit(recorded: Path) -> None:
    recording = Recording(recorded)
    assert set(recording.raw_kinds) == {"microphone", "eeg"}
    chunks = list(recording.chunks("eeg"))
    assert [chunk.seq for chunk in chunks] == [n * 10 for n in range(50)]
    assert [chunk.samples[0, 0] for chunk in chunks] == list(range(50))
    first = replay(recorded)
    assert len(first) > 10
    assert replay(recorded) == first
    health = [json.loads(state)["health"]["eeg"] for state in first]
    assert health[0]["reason"] == "nothing has arrived yet"
    assert any(one["age_ns"] is not None for one in health)
