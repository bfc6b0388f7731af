from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from edge_emo.sync.delivery import Bell, Mailbox, Policy


def drain(box: Mailbox[int]) -> list[int]:
    items = []
    while (item := box.take()) is not None:
        items.append(item)
    return items


def test_latest_keeps_the_newest_and_counts_the_rest() -> None:
    box: Mailbox[int] = Mailbox(Policy.LATEST, capacity=9)
    for item in range(5):
        assert box.put(item)
    assert drain(box) == [4]
    assert box.drops == 4


@given(st.integers(1, 20), st.integers(0, 60))
def test_drop_oldest_keeps_the_newest_in_order(capacity: int, count: int) -> None:
    box: Mailbox[int] = Mailbox(Policy.DROP_OLDEST, capacity)
    for item in range(count):
        box.put(item)
    assert drain(box) == list(range(max(0, count - capacity), count))
    assert box.drops == max(0, count - capacity)


def test_lossless_holds_the_producer_back() -> None:
    box: Mailbox[int] = Mailbox(Policy.LOSSLESS, 2)
    producer = threading.Thread(target=lambda: [box.put(item) for item in range(100)])
    producer.start()
    taken = [box.wait_take(5) for _ in range(100)]
    producer.join(5)
    assert taken == list(range(100))
    assert box.drops == 0


def test_ending_releases_a_waiting_producer() -> None:
    box: Mailbox[int] = Mailbox(Policy.LOSSLESS, 1)
    box.put(1)
    results: list[bool] = []
    producer = threading.Thread(target=lambda: results.append(box.put(2)))
    producer.start()
    box.end()
    producer.join(5)
    assert results == [False]
    assert drain(box) == [1]


def test_an_ended_box_gives_what_it_has_and_then_none() -> None:
    box: Mailbox[int] = Mailbox(Policy.DROP_OLDEST, 4)
    box.put(1)
    box.end()
    assert not box.finished
    assert box.wait_take() == 1
    assert box.wait_take() is None
    assert box.finished
    assert not box.put(2)


def test_every_change_rings_the_bell() -> None:
    rings: list[int] = []

    class Counter(Bell):
        def ring(self) -> None:
            rings.append(1)

    box: Mailbox[int] = Mailbox(Policy.LATEST, bell=Counter())
    box.put(1)
    box.end()
    assert len(rings) == 2


def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Bell()
    bell.ring()
    bell.wait(None)
