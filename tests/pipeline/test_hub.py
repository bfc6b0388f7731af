from __future__ import annotations

import asyncio
import threading

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
