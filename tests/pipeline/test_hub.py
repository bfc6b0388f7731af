from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from edge_emo.errors import ConfigError
from edge_emo.pipeline.hub import Hub
from edge_emo.types import EmotionState


def state(seq: int) -> EmotionState:
    return EmotionState(seq, seq, 0, None, None, None)


def test_a_slow_live_reader_sees_the_newest_state() -> None:
    hub = Hub(lossless=False)
    reader = hub.read()
    for seq in range(5):
        hub.publish(state(seq))
    hub.end()
    assert [s.seq for s in reader] == [4]
    assert hub.latest == state(4)


def test_every_reader_of_a_replay_sees_every_state() -> None:
    hub = Hub(lossless=True)
    readers = [hub.read(), hub.read()]
    seen: list[list[int]] = [[], []]

    def read(index: int) -> None:
        seen[index] = [s.seq for s in readers[index]]

    threads = [threading.Thread(target=read, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for seq in range(300):
        hub.publish(state(seq))
    hub.end()
    for thread in threads:
        thread.join(5)
    assert seen == [list(range(300))] * 2


def test_callbacks_are_called_until_they_unsubscribe() -> None:
    hub, seen = Hub(lossless=False), []
    unsubscribe = hub.subscribe(lambda s: seen.append(s.seq))
    hub.publish(state(0))
    unsubscribe()
    unsubscribe()
    hub.publish(state(1))
    assert seen == [0]


def test_the_error_of_the_engine_is_raised_after_the_last_state() -> None:
    hub = Hub(lossless=True)
    reader = hub.read()
    hub.publish(state(0))
    hub.end(ConfigError("broken"))
    assert next(reader).seq == 0
    with pytest.raises(ConfigError, match="broken"):
        next(reader)


def test_a_reader_that_comes_after_the_end_sees_it() -> None:
    hub = Hub(lossless=False)
    hub.end()
    assert list(hub.read()) == []


def test_an_error_that_no_reader_sees_is_logged_and_raised_in_whoever_polls(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub = Hub(lossless=False)
    hub.check()
    hub.publish(state(0))
    hub.end(ConfigError("broken"))
    assert "no more states are made: broken" in caplog.text
    depths = []
    for _ in range(3):
        with pytest.raises(ConfigError, match="broken") as raised:
            hub.check()
        depths.append(len(raised.traceback))
    assert depths[0] == depths[2]


def publish_from_thread(hub: Hub, count: int) -> threading.Thread:
    def run() -> None:
        for seq in range(count):
            hub.publish(state(seq))
        hub.end()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_an_asynchronous_reader_sees_every_state_of_a_replay() -> None:
    async def read() -> list[int]:
        hub = Hub(lossless=True)
        states = hub.read_async()
        thread = publish_from_thread(hub, 200)
        seen = [s.seq async for s in states]
        await asyncio.to_thread(thread.join)
        return seen

    assert asyncio.run(read()) == list(range(200))


def test_an_asynchronous_reader_raises_the_error() -> None:
    async def read() -> None:
        hub = Hub(lossless=False)
        states = hub.read_async()
        hub.end(ConfigError("broken"))
        async for _ in states:
            pass

    with pytest.raises(ConfigError, match="broken"):
        asyncio.run(read())


def test_cancelling_an_asynchronous_reader_frees_the_engine() -> None:
    async def cancel() -> Hub:
        hub = Hub(lossless=True)
        started = asyncio.Event()

        async def read() -> None:
            states = hub.read_async()
            started.set()
            async for _ in states:
                pass

        task = asyncio.create_task(read())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return hub

    hub = asyncio.run(cancel())
    for seq in range(200):
        hub.publish(state(seq))
    assert hub.latest == state(199)


def test_an_asynchronous_reader_whose_loop_closes_does_not_end_the_engine() -> None:
    class Closing(asyncio.SelectorEventLoop):
        """A loop that another thread closes just after it was looked at."""

        looked_at = True

        def is_closed(self) -> bool:
            return not self.looked_at and super().is_closed()

    loop, hub = Closing(), Hub(lossless=False)

    async def read() -> AsyncIterator[EmotionState]:
        return hub.read_async()

    reader = loop.run_until_complete(read())
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon_threadsafe(lambda: None)
    hub.publish(state(0))
    loop.looked_at = False
    assert hub.latest == state(0)
    del reader


def test_readers_that_never_read_leave_nothing() -> None:
    hub = Hub(lossless=True)
    for _ in range(3):
        hub.read()

    async def forget() -> None:
        hub.read_async()

    asyncio.run(forget())
    for seq in range(200):
        hub.publish(state(seq))
    assert hub.latest is not None
    assert hub.latest.seq == 199
