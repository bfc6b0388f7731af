from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from edge_emo.clock import Clock, ManualClock, MonotonicClock, ReplayClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.replay import ReplayCamera, ReplayEeg, ReplayMicrophone, ReplayText
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    RecordingError,
)
from edge_emo.recording import Writer
from edge_emo.registry import DRIVERS, Address, construct
from edge_emo.testing import DriverContract
from edge_emo.types import Chunk, StreamInfo
from tests.fakes.reading import AskedClock, end_of_read

STREAMS = {
    "camera": StreamInfo("camera", 30.0, (), "rgb8", "a camera"),
    "microphone": StreamInfo("microphone", 16000.0, ("mono",), "full-scale", "a microphone"),
    "eeg": StreamInfo("eeg", 250.0, ("C3", "C4"), "uv", "a board"),
    "text": StreamInfo("text", 0.0, (), "text", "a keyboard"),
}


def chunks_of_a_session() -> list[Chunk]:
    chunks = []
    for i in range(8):
        t_ns = 1_000_003 + i * 40_000_000
        chunks += [
            Chunk("camera", i, t_ns, 30.0, np.full((8, 8, 3), 10 * i, np.uint8)),
            Chunk("microphone", i * 640, t_ns, 16000.0, np.full((640, 1), i / 8, np.float32)),
            Chunk("eeg", i * 10, t_ns, 250.0, np.full((10, 2), i, np.float32)),
            Chunk("text", i, t_ns, 0.0, f"line {i}"),
        ]
    return chunks


def write(folder: Path, streams: dict[str, StreamInfo], *, raw: bool = True) -> Path:
    writer = Writer(folder, streams, ManualClock(), raw=raw)
    writer.open()
    for chunk in chunks_of_a_session():
        if chunk.stream in streams:
            writer.chunk(chunk)
    writer.close()
    return folder


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("replay") / "session", STREAMS)


class ReplayContract(DriverContract):
    finite = True
    device: type[Driver]

    @pytest.fixture(autouse=True)
    def _session(self, session: Path) -> None:
        self.folder = session

    def make(self) -> Driver:
        return construct(self.device, Address.parse(f"replay:{self.folder}"))


class TestReplayCameraContract(ReplayContract):
    device = ReplayCamera


class TestReplayMicrophoneContract(ReplayContract):
    device = ReplayMicrophone


class TestReplayEegContract(ReplayContract):
    device = ReplayEeg


class TestReplayTextContract(ReplayContract):
    device = ReplayText


class TestReplayEegContractWithoutPacing(ReplayContract):
    device = ReplayEeg
    stamp_slack_s = 1.0

    def clock(self) -> Clock:
        return ReplayClock()


def test_gives_what_was_recorded(session: Path) -> None:
    with ReplayEeg(str(session)) as driver:
        info = driver.open(ReplayClock())
        found = []
        while (chunk := driver.read(1.0)) is not None:
            found.append((chunk.seq, chunk.t_ns, float(chunk.samples[0, 0])))
    assert found == [(i * 10, 1_000_003 + i * 40_000_000, float(i)) for i in range(8)]
    assert (info.live, info.channels, info.rate_hz) == (False, ("C3", "C4"), 250.0)
    assert "a board" in info.device


def test_hands_out_no_chunk_before_its_end(session: Path) -> None:
    clock = AskedClock()
    got: list[Chunk | None] = []
    with ReplayEeg(str(session)) as driver:
        driver.open(clock)
        reader = threading.Thread(target=lambda: got.append(driver.read(60.0)), daemon=True)
        reader.start()
        assert clock.asked_ns.get(timeout=10) == 41_000_003
        clock.advance_to(41_000_003)
        reader.join(10)
    assert got[0] is not None
    assert got[0].end_ns == 41_000_003


def test_what_is_not_due_is_a_time_out_and_not_lost(session: Path) -> None:
    with ReplayEeg(str(session)) as driver:
        driver.open(ManualClock())
        for _ in range(2):
            with pytest.raises(DeviceTimeoutError):
                driver.read(0.0)
        driver.close()
        driver.open(ManualClock(41_000_003))
        first = driver.read(0.0)
    assert first is not None
    assert first.seq == 0


def test_close_ends_a_waiting_read(session: Path) -> None:
    driver = ReplayEeg(str(session))
    driver.open(ManualClock())
    assert isinstance(end_of_read(driver), ClosedError)


@pytest.mark.parametrize("kind", ["camera", "microphone", "eeg", "text"])
def test_is_registered_for_every_kind(session: Path, kind: str) -> None:
    driver = construct(DRIVERS.load(f"{kind}.replay"), Address.parse(f"replay:{session}"))
    with driver:
        assert driver.open(ReplayClock()).kind == kind == driver.kind


def test_a_missing_stream_names_those_that_are_there(tmp_path: Path) -> None:
    folder = write(tmp_path / "session", {"eeg": STREAMS["eeg"], "text": STREAMS["text"]})
    with pytest.raises(DeviceNotFoundError, match="has no camera") as caught:
        ReplayCamera(str(folder)).open(ReplayClock())
    assert caught.value.hint == "its streams: eeg, text"


def test_a_session_without_raw_data_says_so(tmp_path: Path) -> None:
    folder = write(tmp_path / "session", STREAMS, raw=False)
    with pytest.raises(DeviceNotFoundError, match="without raw data"):
        ReplayCamera(str(folder)).open(ReplayClock())


def test_no_folder_is_no_device(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFoundError, match="is no session folder"):
        ReplayEeg(str(tmp_path / "absent")).open(MonotonicClock())
    with pytest.raises(ConfigError):
        ReplayEeg("")


def test_damage_is_an_error_unless_repair_is_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "session", {"eeg": STREAMS["eeg"]})
    lines = (folder / "eeg.csv").read_text().splitlines()
    lines[25] = "garbage"
    (folder / "eeg.csv").write_text("\n".join(lines) + "\n")
    with ReplayEeg(str(folder)) as driver:
        driver.open(ReplayClock())
        assert [driver.read(1.0) is not None for _ in range(2)] == [True, True]
        with pytest.raises(RecordingError, match=r"eeg\.csv, line 26"):
            driver.read(1.0)
    repaired = construct(ReplayEeg, Address.parse(f"replay:{folder}?repair=true"))
    with repaired as driver:
        driver.open(ReplayClock())
        assert [driver.read(1.0) is not None for _ in range(3)] == [True, True, False]
