"""The contract of every sink, and the thread that keeps a slow one from holding up the engine."""

from __future__ import annotations

import contextlib
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from edge_emo.clock import Clock
from edge_emo.errors import EdgeEmoError
from edge_emo.sync.delivery import Mailbox, Policy
from edge_emo.types import Chunk, EmotionState, Prediction, StreamInfo

_log = logging.getLogger(__name__)


class Sink(ABC):
    """Takes states to one destination. Everything is called from one thread of its own.

    Attributes:
        wants_all: True to be given chunks and predictions too, as a recorder is.
        prints: True when it writes on stdout.
        lossless: Set before it is opened: it may hold the session back, and shall lose nothing.
    """

    wants_all = False
    prints = False
    lossless = False

    def unwritten(self) -> int:
        """Return how many items it took and has not written yet; any thread may ask."""
        return 0

    @abstractmethod
    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Prepare the destination.

        Args:
            streams: The session's streams by name, as they were opened so far.
            clock: The session clock.

        Raises:
            EdgeEmoError: The destination cannot be used.
        """

    @abstractmethod
    def state(self, state: EmotionState) -> None:
        """Take one state."""

    def stream(self, name: str, info: StreamInfo) -> None:
        """Take note of a stream that was opened after the sink, before its first chunk.

        Only called when :attr:`wants_all`, once for each such stream.
        """

    def chunk(self, chunk: Chunk) -> None:
        """Take one chunk; only called when :attr:`wants_all`."""

    def prediction(self, prediction: Prediction) -> None:
        """Take one prediction; only called when :attr:`wants_all`."""

    def event(self, event: Mapping[str, Any]) -> None:
        """Take what happened to the session, such as a lost stream."""

    @abstractmethod
    def close(self) -> None:
        """Finish writing; idempotent."""

    def discard(self) -> None:
        """Close, and remove what :meth:`open` made: the session could not begin."""
        self.close()


Item = EmotionState | Chunk | Prediction | Mapping[str, Any]


class SinkRunner:
    """Runs one sink in a thread behind a bounded mailbox.

    A sink that fails is closed, takes nothing more and is reported through :attr:`error`, which
    the engine tells of; the session goes on.

    Args:
        sink: The sink; opened by :meth:`open`, closed when the runner is.
        lossless: Hold the engine back rather than drop; for replay, never for live use.
    """

    def __init__(self, sink: Sink, *, lossless: bool = False) -> None:
        self.sink = sink
        self.error: EdgeEmoError | None = None
        sink.lossless = lossless
        self._streams: dict[str, StreamInfo] = {}
        self._told: set[str] = set()
        policy = Policy.LOSSLESS if lossless else Policy.DROP_OLDEST
        capacity = 256 if sink.wants_all else 2048  # frames are large
        self._box: Mailbox[Item] = Mailbox(policy, capacity)
        self._thread = threading.Thread(
            target=self._run, name=f"sink-{type(sink).__name__}", daemon=True
        )

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Open the sink and start its thread; of a sink that cannot be opened nothing is left.

        Raises:
            EdgeEmoError: As :meth:`Sink.open`, or whatever else it raised, in words.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self._attempt, self.sink.discard)
            self._streams, self._told = dict(streams), set(streams)
            self._open_sink(streams, clock)
            self._thread.start()
            undo.pop_all()

    @property
    def name(self) -> str:
        """The sink's class, for messages."""
        return type(self.sink).__name__

    @property
    def drops(self) -> int:
        """Items that a slow sink made the mailbox drop."""
        return self._box.drops

    def put(self, item: EmotionState | Prediction | Mapping[str, Any]) -> None:
        """Hand an item over; never waits unless lossless."""
        self._box.put(item)

    def chunk(self, chunk: Chunk, info: StreamInfo) -> None:
        """Hand a chunk over, and its stream, of which the sink is told first if it is new."""
        self._streams.setdefault(chunk.stream, info)
        self._box.put(chunk)

    def close(self, timeout_s: float = 5.0) -> None:
        """Let the sink take what waits, then close it; one that takes longer has failed.

        A lossless one may take its time as long as it goes on taking.
        """
        self._box.end()
        if self._thread.ident is None:
            return
        waiting = self._waiting
        self._thread.join(timeout_s)
        while self.sink.lossless and self._thread.is_alive() and self._waiting < waiting:
            waiting = self._waiting
            self._thread.join(timeout_s)
        if self.drops:
            _log.warning("%s was too slow: %d items never reached it", self.name, self.drops)
        if self._thread.is_alive():
            self._fail(EdgeEmoError(f"{self.name} did not finish within {timeout_s:g} s"))

    def discard(self) -> None:
        """Close a sink to which nothing was given, and remove what it made."""
        self.close()
        if self._thread.ident is not None and not self._thread.is_alive():
            self._attempt(self.sink.discard)

    @property
    def _waiting(self) -> int:
        return len(self._box) + self.sink.unwritten()

    def _open_sink(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        try:
            self.sink.open(streams, clock)
        except EdgeEmoError:
            raise
        except Exception as error:  # such as a disk that is full
            raise self._explained(error) from error

    def _run(self) -> None:
        self._attempt(self._take_all)
        self._attempt(self.sink.close)

    def _take_all(self) -> None:
        while (item := self._box.wait_take()) is not None:
            if isinstance(item, Chunk) and item.stream not in self._told:
                self._told.add(item.stream)
                self.sink.stream(item.stream, self._streams[item.stream])
            _give(self.sink, item)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except EdgeEmoError as error:
            self._fail(error)
        except Exception as error:  # whatever a sink raises, it is told of
            self._fail(self._explained(error))

    def _explained(self, error: Exception) -> EdgeEmoError:
        if isinstance(error, OSError):
            failure = EdgeEmoError(f"{self.name} cannot write: {error}")
        else:
            _log.error("%s failed", self.name, exc_info=error)
            failure = EdgeEmoError(f"{self.name} failed: {type(error).__name__}: {error}")
        failure.__cause__ = error
        return failure

    def _fail(self, error: EdgeEmoError) -> None:
        self.error = self.error or error
        self._box.end()


def _give(sink: Sink, item: Item) -> None:
    if isinstance(item, EmotionState):
        sink.state(item)
    elif isinstance(item, Chunk):
        sink.chunk(item)
    elif isinstance(item, Prediction):
        sink.prediction(item)
    else:
        sink.event(item)
