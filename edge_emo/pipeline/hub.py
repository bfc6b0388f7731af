"""Hands states from the engine thread to readers: loops, tasks and callbacks."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

from edge_emo.sync.delivery import Bell, Mailbox, Policy
from edge_emo.types import EmotionState

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

_log = logging.getLogger(__name__)

Callback = Callable[[EmotionState], None]


class _LoopBell(Bell):
    """Rings an asyncio event from another thread; silent once its loop is closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
        super().__init__()
        self._loop = loop
        self.event = event

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(self.event.set)


class Hub:
    """Fans states out. Readers get their own mailbox; callbacks run in the engine thread.

    Args:
        lossless: Readers see every state and hold the engine back (replay); otherwise a slow
            reader sees the newest state.
    """

    def __init__(self, *, lossless: bool) -> None:
        self.latest: EmotionState | None = None
        self.error: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._policy = Policy.LOSSLESS if lossless else Policy.LATEST
        self._boxes: list[Mailbox[EmotionState]] = []
        self._callbacks: list[Callback] = []
        self._ended = False
        self._lock = threading.RLock()  # a signal handler may end the hub inside a call

    @property
    def ended(self) -> bool:
        """True when nothing more comes."""
        with self._lock:
            return self._ended

    def publish(self, state: EmotionState) -> None:
        """Give ``state`` to every reader and callback."""
        self.latest = state
        with self._lock:
            boxes, callbacks = list(self._boxes), list(self._callbacks)
        for box in boxes:
            box.put(state)
        for callback in callbacks:
            callback(state)

    def end(self, error: BaseException | None = None) -> None:
        """Tell readers that nothing more comes, or raise ``error`` in them.

        An error is logged when there is no reader to raise it in.
        """
        with self._lock:
            if error is not None and self.error is None:
                self.error, self._traceback = error, error.__traceback__
            self._ended = True
            boxes = list(self._boxes)
        if error is not None and not boxes:
            _log.error("no more states are made: %s", error, exc_info=error)
        for box in boxes:
            box.end()

    def check(self) -> None:
        """Raise the error that ended the states; its traceback does not grow with each call."""
        if self.error is not None:
            raise self.error.with_traceback(self._traceback)

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Call ``callback`` with each state; returns a function that ends it."""
        with self._lock:
            self._callbacks.append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return unsubscribe

    def read(self) -> Iterator[EmotionState]:
        """Iterate over states; raises the engine's error where the states end."""
        return _Reader(self, self._open_box(Bell()))

    def read_async(self) -> AsyncIterator[EmotionState]:
        """Iterate asynchronously; cancelling the task or leaving the loop ends the reader."""
        import asyncio  # slow; whoever reads in this way has it already

        bell = _LoopBell(asyncio.get_running_loop(), asyncio.Event())
        return _AsyncReader(self, self._open_box(bell), bell.event)

    def _open_box(self, bell: Bell) -> Mailbox[EmotionState]:
        box: Mailbox[EmotionState] = Mailbox(self._policy, 64, bell)
        with self._lock:
            self._boxes.append(box)
            if self._ended:
                box.end()
        return box

    def close_box(self, box: Mailbox[EmotionState]) -> None:
        """Forget a reader's mailbox; nothing more is put into it."""
        with self._lock:
            if box in self._boxes:
                self._boxes.remove(box)
        box.end()


class _Reader(Iterator[EmotionState]):
    """One reader; its mailbox goes with it, also where it never read."""

    def __init__(self, hub: Hub, box: Mailbox[EmotionState]) -> None:
        self._hub, self._box = hub, box

    def __next__(self) -> EmotionState:
        with contextlib.ExitStack() as ending:  # also by Ctrl-C
            ending.callback(self._hub.close_box, self._box)
            state = self._box.wait_take()
            if state is None:
                self._hub.check()
                raise StopIteration
            ending.pop_all()
        return state

    def __del__(self) -> None:
        self._hub.close_box(self._box)


class _AsyncReader(AsyncIterator[EmotionState]):
    """The same for asyncio."""

    def __init__(self, hub: Hub, box: Mailbox[EmotionState], event: asyncio.Event) -> None:
        self._hub, self._box, self._event = hub, box, event

    async def __anext__(self) -> EmotionState:
        with contextlib.ExitStack() as ending:  # also of a task that is cancelled
            ending.callback(self._hub.close_box, self._box)
            state = await self._next()
            ending.pop_all()
        return state

    async def _next(self) -> EmotionState:
        while True:
            self._event.clear()
            if (state := self._box.take()) is not None:
                return state
            if self._box.finished:
                self._hub.check()
                raise StopAsyncIteration
            await self._event.wait()

    def __del__(self) -> None:
        self._hub.close_box(self._box)
