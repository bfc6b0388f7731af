"""A session whose sinks fail, or whose closing is interrupted, says so and ends whole."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from edge_emo import EmotionState, Pipeline
from edge_emo.clock import Clock
from edge_emo.drivers.text.push import PushedText
from edge_emo.errors import DeviceNotFoundError, EdgeEmoError
from edge_emo.recording import Recording
from edge_emo.sinks.base import Sink
from edge_emo.types import StreamInfo
from tests.pipeline.sessions import EEG, until


class Kept(Sink):
    closed = False

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        pass

    def state(self, state: EmotionState) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Interrupted(PushedText):
    """A device that hangs when it is closed, until the person at the keyboard gives up."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def close(self) -> None:
        super().close()
        _thread.interrupt_main()
        self.release.wait(30)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also where a shell's background job ignores it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("interruptible")
def test_sinks_are_completed_when_closing_is_interrupted() -> None:
    driver, sink = Interrupted(), Kept()
    pipeline = Pipeline(text=driver, sinks=[sink]).open()
    with pytest.raises(KeyboardInterrupt):
        pipeline.close()
    driver.release.set()
    assert sink.closed


class FullDisk(Sink):
    """A destination that takes nothing."""

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        pass

    def state(self, state: EmotionState) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        pass


def test_a_sink_that_fails_is_told_and_the_session_goes_on(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    other = tmp_path / "session"
    with Pipeline(eeg=EEG, sinks=[FullDisk(), f"record:{other}"]) as pipeline:
        until(pipeline, lambda s: s.seq > 8)
        failures = pipeline.failures
    assert [str(error) for error in failures] == [
        "FullDisk cannot write: [Errno 28] No space left on device"
    ]
    assert "FullDisk takes nothing more" in caplog.text
    assert any(event["stream"] == "FullDisk" for event in Recording(other).events())


class FailsToFinish(FullDisk):
    """Takes everything, and cannot complete its file."""

    def state(self, state: EmotionState) -> None:
        pass

    def close(self) -> None:
        raise OSError(5, "Input/output error")


def test_a_sink_that_fails_while_closing_is_told_after_the_session() -> None:
    with Pipeline(eeg=EEG, sinks=[FailsToFinish()]) as pipeline:
        next(iter(pipeline))
        assert pipeline.failures == []
    assert "Input/output error" in str(pipeline.failures[0])


class Refused(Kept):
    """A destination that is not there."""

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        raise DeviceNotFoundError("nobody listens")


@pytest.mark.parametrize("address", ["jsonl:{}", "csv:{}", "record:{}", "record:{}?raw=true"])
def test_a_session_that_could_not_begin_leaves_no_file(address: str, tmp_path: Path) -> None:
    place = tmp_path / "made"
    for _ in range(2):
        with pytest.raises(DeviceNotFoundError):
            Pipeline(eeg=EEG, sinks=[address.format(place), Refused()]).open()
        assert not place.exists()
    place.mkdir()
    with pytest.raises(DeviceNotFoundError):
        Pipeline(eeg=EEG, sinks=[f"record:{place}", Refused()]).open()
    assert not list(place.iterdir())


class Meddling(Refused):
    """Puts a file of its own beside the recorder's before it fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        (self.folder / "mine").touch()
        super().open(streams, clock)


def test_files_of_others_stay_where_a_session_could_not_begin(tmp_path: Path) -> None:
    place = tmp_path / "made"
    with pytest.raises(DeviceNotFoundError):
        Pipeline(eeg=EEG, sinks=[f"record:{place}?raw=true", Meddling(place)]).open()
    assert [path.name for path in place.iterdir()] == ["mine"]


@pytest.mark.parametrize("address", ["jsonl:{}/kept", "csv:{}/kept", "record:{}"])
def test_what_was_there_before_is_never_removed(address: str, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(EdgeEmoError, match="already"):
        Pipeline(eeg=EEG, sinks=[address.format(tmp_path)]).open()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
