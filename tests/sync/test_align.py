from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from edge_emo.sync.align import Join, LatestJoin, ReproducibleJoin
from edge_emo.sync.delivery import Bell, Mailbox, Policy


@dataclass(frozen=True)
class Item:
    end_ns: int


def boxes(bell: Bell, *names: str) -> dict[str, Mailbox[Item]]:
    return {name: Mailbox(Policy.LOSSLESS, 1000, bell) for name in names}


def serve(join: Join[Item]) -> list[tuple[str, int]]:
    return [(name, item.end_ns) for name, item in join.take()]


def test_latest_serves_what_is_there() -> None:
    bell = Bell()
    filled = boxes(bell, "camera", "eeg")
    filled["camera"].put(Item(9))
    filled["camera"].put(Item(12))
    filled["eeg"].put(Item(10))
    assert serve(LatestJoin(filled, bell)) == [("camera", 9), ("eeg", 10), ("camera", 12)]


def test_latest_never_swaps_two_items_of_one_stream() -> None:
    bell = Bell()
    filled = boxes(bell, "eeg", "microphone")
    for time in (20, 10, 30):  # a stamp that steps back, as when the host's time is corrected
        filled["eeg"].put(Item(time))
    filled["microphone"].put(Item(25))
    expected = [("eeg", 20), ("eeg", 10), ("microphone", 25), ("eeg", 30)]
    assert serve(LatestJoin(filled, bell)) == expected


def test_reproducible_waits_for_a_stream_that_could_still_be_earlier() -> None:
    bell = Bell()
    filled = boxes(bell, "camera", "eeg")
    join = ReproducibleJoin(filled, bell)
    filled["camera"].put(Item(9))
    assert serve(join) == []
    filled["eeg"].put(Item(3))
    assert serve(join) == [("eeg", 3)]
    filled["eeg"].end()
    assert not join.finished("eeg")
    assert serve(join) == [("camera", 9)]
    assert join.finished("eeg")


def test_equal_times_are_ordered_by_name() -> None:
    bell = Bell()
    filled = boxes(bell, "microphone", "camera")
    for box in filled.values():
        box.put(Item(5))
        box.end()
    join = ReproducibleJoin(filled, bell)
    assert serve(join) + serve(join) == [("camera", 5), ("microphone", 5)]
    assert join.ended


@given(
    st.lists(st.integers(0, 50), max_size=30),
    st.lists(st.integers(0, 50), max_size=30),
    st.lists(st.booleans(), max_size=60),
)
def test_the_order_does_not_depend_on_who_was_faster(
    camera: list[int], eeg: list[int], turns: list[bool]
) -> None:
    bell = Bell()
    filled = boxes(bell, "camera", "eeg")
    join = ReproducibleJoin(filled, bell)
    waiting = {"camera": sorted(camera), "eeg": sorted(eeg)}
    served: list[tuple[str, int]] = []
    for turn in turns:
        name = "camera" if turn else "eeg"
        if waiting[name]:
            filled[name].put(Item(waiting[name].pop(0)))
        served += serve(join)
    for name, rest in waiting.items():
        for time in rest:
            filled[name].put(Item(time))
        filled[name].end()
    while not join.ended:
        served += serve(join)
    both = [(time, "camera") for time in camera] + [(time, "eeg") for time in eeg]
    assert served == [(name, time) for time, name in sorted(both)]
