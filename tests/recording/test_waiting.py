"""A recorder that may hold its session back loses nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_emo.clock import ManualClock
from edge_emo.errors import RecordingError
from edge_emo.recording import Recording, Writer
from edge_emo.recording.files import DurableFile
from edge_emo.types import Chunk, StreamInfo

EEG = StreamInfo("eeg", 250.0, ("a", "b"), "uv", "cap")


def block(number: int) -> Chunk:
    return Chunk("eeg", number * 10, number, 250.0, np.zeros((10, 2), np.float32))


def test_nothing_is_dropped(tmp_path: Path) -> None:
    writer = Writer(
        tmp_path / "s", {"eeg": EEG}, ManualClock(), raw=True, queue_bytes=1, waits=True
    )
    writer.open()
    for number in range(500):
        writer.chunk(block(number))
    writer.close()
    assert writer.dropped == 0
    assert len(list(Recording(tmp_path / "s").chunks("eeg"))) == 500


def test_nobody_waits_for_a_disk_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(
        tmp_path / "s", {"eeg": EEG}, ManualClock(), raw=True, queue_bytes=1, waits=True
    )
    writer.open()

    def full(file: DurableFile, data: bytes) -> None:
        raise RecordingError("the disk is full")

    monkeypatch.setattr(DurableFile, "append", full)
    with pytest.raises(RecordingError, match="the disk is full"):
        any(writer.chunk(block(number)) for number in range(500))
    with pytest.raises(RecordingError, match="the disk is full"):
        writer.close()
