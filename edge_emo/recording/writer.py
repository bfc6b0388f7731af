"""Writing a session folder from a thread of its own, safe against a crash to the last second."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from edge_emo.clock import Clock
from edge_emo.errors import ClosedError, EdgeEmoError, RecordingError
from edge_emo.recording.files import ContentError, DurableFile, write_error
from edge_emo.recording.formats.csv import CsvWriter
from edge_emo.recording.formats.jsonl import JsonLinesWriter, TextWriter, dump_line
from edge_emo.recording.formats.mjpeg import MjpegWriter
from edge_emo.recording.formats.wav import WavWriter
from edge_emo.recording.header import (
    NAME,
    Header,
    close_header,
    header_files,
    write_header,
)
from edge_emo.recording.values import prediction_to_json, state_to_json
from edge_emo.types import Chunk, EmotionState, Kind, Prediction, StreamInfo

_log = logging.getLogger(__name__)

# Below a second by as much as a flush to a slow disk may take.
_FLUSH_NS = 750_000_000
_IDLE_S = 0.75
_ITEM_BYTES = 4096


class StreamWriter(Protocol):
    """What writes the chunks of one stream in one format."""

    @property
    def files(self) -> tuple[DurableFile, ...]:
        """The open files, data before index: the order in which they are flushed."""

    def write(self, chunk: Chunk) -> None:
        """Append one chunk."""

    def finish(self) -> None:
        """Do what is left to do before the files are closed."""


_WRITERS: Mapping[Kind, Callable[[Path, StreamInfo], StreamWriter]] = {
    "camera": MjpegWriter,
    "microphone": WavWriter,
    "eeg": CsvWriter,
    "physio": CsvWriter,
    "text": TextWriter,
}


@dataclass(frozen=True, slots=True)
class _Joined:
    """A stream that was opened after the session began."""

    name: str
    info: StreamInfo


Item = Chunk | EmotionState | Prediction | _Joined | Mapping[str, Any]


class Writer:
    """Writes one session folder.

    ``chunk``, ``prediction``, ``state`` and ``event`` never wait for the disk: they put the
    item into a queue of bounded size, and what does not fit is counted and told of in
    ``events.jsonl``; with ``waits`` they wait for room instead. ``stream`` always fits.
    Everything reaches the disk within a second of the session clock. After the disk failed, each
    call raises the error and nothing more is written.

    Args:
        folder: A folder that does not exist, or is empty.
        streams: The session's streams by name, as far as they are open.
        clock: The session clock.
        raw: Keep pictures, sound, signals and words too; otherwise chunks are ignored.
        consent: Who agreed to be recorded, in words.
        queue_bytes: Size of the queue.
        waits: Hold the caller back rather than lose an item; for what is not live.

    Attributes:
        folder: The session folder.
        dropped: Items that did not fit into the queue.
        error: Why nothing is written any more; None while all is well.
    """

    def __init__(
        self,
        folder: str | Path,
        streams: Mapping[str, StreamInfo],
        clock: Clock,
        *,
        raw: bool = False,
        consent: str = "",
        queue_bytes: int = 64 << 20,
        waits: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.dropped = 0
        self.error: EdgeEmoError | None = None
        started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._header = Header(started, dict(streams), raw, consent)
        self._clock = clock
        self._queue = _Queue(queue_bytes)
        self._waits = waits
        self._begun = self._new = False
        self._files = _Files(self.folder, raw=raw)
        self._left_out: set[str] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Create the folder and its files, and start the thread.

        Raises:
            RecordingError: The folder is not empty, or cannot be written.
            UnavailableError: OpenCV is missing and a camera is recorded.
        """
        self._new = _create(self.folder)
        self._begun = True
        write_header(self.folder, self._header)
        self._files.open(self._header.streams)
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Items that wait to be written."""
        return len(self._queue)

    def discard(self) -> None:
        """Close, and remove what was written, and the folder if it was made and is empty then.

        Raises:
            RecordingError: The folder cannot be emptied.
        """
        if not self._begun:
            return
        self._begun = False
        with contextlib.suppress(RecordingError):  # what cannot be written need not be
            self.close()
        try:
            for path in (*self._files.paths, *header_files(self.folder)):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(self.folder, error) from error
        if self._new:
            with contextlib.suppress(OSError):  # somebody else put something there
                self.folder.rmdir()

    def stream(self, name: str, info: StreamInfo) -> None:
        """Take up a stream that was opened after the session began, before its first chunk.

        One that is known already stays as it was opened first.
        """
        self._put(_Joined(name, info))

    def chunk(self, chunk: Chunk) -> None:
        """Record a chunk; ignored unless raw data is kept."""
        if self._header.raw:
            self._put(chunk)

    def prediction(self, prediction: Prediction) -> None:
        """Record a prediction."""
        self._put(prediction)

    def state(self, state: EmotionState) -> None:
        """Record a state."""
        self._put(state)

    def event(self, event: Mapping[str, Any]) -> None:
        """Record what happened to the session: JSON values by name.

        Raises:
            RecordingError: It holds something that is no JSON value.
        """
        dump_line(event)
        self._put(dict(event))

    def close(self) -> None:
        """Write what waits, complete the files and close them; idempotent.

        Raises:
            RecordingError: Something could not be written; only the first time.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._queue.end()
        thread.join()
        if self.error:
            raise self.error

    def _put(self, item: Item) -> None:
        if self.error:
            raise self.error
        if self._thread is None:
            raise ClosedError(f"the recording {self.folder} is not open")
        with self._lock:
            if not self._queue.put(item, waits=self._waits):
                self.dropped += 1

    def _run(self) -> None:
        try:
            self._write_all()
            self._files.finish()
            close_header(self.folder, self._header)
        except EdgeEmoError as error:
            self.error = error
        except Exception as error:  # whatever it is, the next call is told
            _log.error("the recording %s failed", self.folder, exc_info=error)
            self.error = RecordingError(f"the recording {self.folder} failed: {error!r}")
        finally:
            self._queue.end()
            failed = self._files.close()
            self.error = self.error or failed

    def _write_all(self) -> None:
        flushed_ns, told = self._clock.now_ns(), 0
        while not isinstance(item := self._queue.take(_IDLE_S), _End):
            if item is not None:
                self._write(item)
            if self.dropped > told:
                told = self._tell_drops(told)
            if item is None or self._clock.now_ns() - flushed_ns >= _FLUSH_NS:
                self._files.flush()
                flushed_ns = self._clock.now_ns()
        self._tell_drops(told)

    def _write(self, item: Item) -> None:
        """Write an item; of a run of those that a stream's file cannot hold, tell the first."""
        if isinstance(item, _Joined):
            self._join(item)
            return
        stream = item.stream if isinstance(item, Chunk) else ""
        try:
            self._files.write(item)
        except ContentError as error:
            if stream not in self._left_out:
                self._left_out.add(stream)
                self._tell("left out of the recording", reason=str(error))
        else:
            self._left_out.discard(stream)

    def _join(self, joined: _Joined) -> None:
        """Make a stream's files, then name it in the header: a crash between costs nothing."""
        if joined.name in self._header.streams:
            return
        streams = {**self._header.streams, joined.name: joined.info}
        self._header = dataclasses.replace(self._header, streams=streams)
        self._files.join(joined.name, joined.info)
        write_header(self.folder, self._header)

    def _tell_drops(self, told: int) -> int:
        """Write how many items were lost since the last time; return how many in all."""
        dropped = self.dropped
        if dropped > told:
            self._tell("recording overflow", dropped=dropped - told, dropped_in_all=dropped)
        return dropped

    def _tell(self, event: str, **details: Any) -> None:
        self._files.write({"t_ns": self._clock.now_ns(), "event": event, **details})


class _End:
    """Comes out of a queue after its last item."""


class _Queue:
    """A queue of bounded size in bytes whose producers need not wait."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._items: deque[Item] = deque()
        self._ended = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item, *, waits: bool = False) -> bool:
        """Add an item; False when there is no room, or nobody takes any more."""
        size = _size_bytes(item)
        with self._changed:
            if waits:
                self._changed.wait_for(lambda: self._ended or self._fits(item, size))
            if self._ended or not self._fits(item, size):
                return False
            self._items.append(item)
            self._held_bytes += size
            self._changed.notify_all()
        return True

    def _fits(self, item: Item, size_bytes: int) -> bool:
        room = self._held_bytes + size_bytes <= self._limit_bytes
        return room or not self._items or isinstance(item, _Joined)

    def take(self, timeout_s: float) -> Item | _End | None:
        """Return the oldest item, None when there is none in time, or the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended, timeout_s)
            if self._items:
                item = self._items.popleft()
                self._held_bytes -= _size_bytes(item)
                self._changed.notify_all()
                return item
            return _End() if self._ended else None

    def end(self) -> None:
        """Say that nothing more comes."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class _Files:
    """The open files of a session folder; used by one thread."""

    def __init__(self, folder: Path, *, raw: bool) -> None:
        self._folder = folder
        self._raw = raw
        self._streams: dict[str, StreamWriter] = {}
        self._infos: dict[str, StreamInfo] = {}
        self._all: list[DurableFile] = []

    @property
    def paths(self) -> list[Path]:
        """Every file that was made."""
        return [file.path for file in self._all]

    def open(self, streams: Mapping[str, StreamInfo]) -> None:
        """Make the files of a session; on failure close those that were made."""
        try:
            self._predictions = self._lines(self._folder / "predictions.jsonl")
            self._states = self._lines(self._folder / "states.jsonl")
            self._events = self._lines(self._folder / "events.jsonl")
            for name, info in streams.items():
                self._open(name, info)
        except EdgeEmoError:
            self.close()
            raise

    def join(self, name: str, info: StreamInfo) -> None:
        """Begin the files of one more stream, on the disk when this returns."""
        self._open(name, info)
        self.flush()

    def write(self, item: Chunk | EmotionState | Prediction | Mapping[str, Any]) -> None:
        if isinstance(item, Chunk):
            _check(item, self._infos)
            self._streams[item.stream].write(item)
        elif isinstance(item, Prediction):
            self._predictions.add(prediction_to_json(item))
        elif isinstance(item, EmotionState):
            self._states.add(state_to_json(item))
        else:
            self._events.add(item)

    def flush(self) -> None:
        for file in self._all:
            file.flush()

    def finish(self) -> None:
        for stream in self._streams.values():
            stream.finish()
        self.flush()

    def close(self) -> EdgeEmoError | None:
        """Close all files; return the last error of those that could not be written."""
        failed: EdgeEmoError | None = None
        for file in self._all:
            try:
                file.close()
            except RecordingError as error:
                failed = error
        return failed

    def _open(self, name: str, info: StreamInfo) -> None:
        self._infos[name] = info
        if self._raw:
            self._streams[name] = _WRITERS[info.kind](self._folder, info)
            self._all.extend(self._streams[name].files)

    def _lines(self, path: Path) -> JsonLinesWriter:
        writer = JsonLinesWriter(path)
        self._all.append(writer.file)
        return writer


def _create(folder: Path) -> bool:
    """Make a folder that its owner alone may enter; return whether it was not there."""
    new = not folder.exists()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise write_error(folder, error) from error
    if occupied:
        what = "a recorded session" if (folder / NAME).exists() else "something else"
        raise RecordingError(
            f"{folder} already holds {what}", hint="record to a folder that does not exist"
        )
    return new


def _size_bytes(item: Item) -> int:
    if isinstance(item, Chunk) and not isinstance(item.data, str):
        return int(item.data.nbytes) + 256
    return _ITEM_BYTES


def _check(chunk: Chunk, infos: Mapping[str, StreamInfo]) -> None:
    """Refuse what the stream's file cannot hold, as after a reconnection with other settings."""
    info = infos.get(chunk.stream)
    if info is None:
        raise ContentError(f"stream {chunk.stream!r} is not in the session")
    if isinstance(chunk.data, str) or info.kind == "text":
        fits = isinstance(chunk.data, str) and info.kind == "text"
    elif info.kind == "camera":
        fits = chunk.data.ndim == 3 and chunk.data.shape[2] == 3 and chunk.data.dtype == "uint8"
    else:
        columns = len(info.channels)
        fits = chunk.rate_hz == info.rate_hz and chunk.data.shape == (chunk.n_samples, columns)
    if not fits:
        raise ContentError(f"stream {chunk.stream!r} changed its rate, channels or type")
