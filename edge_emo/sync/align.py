"""Two ways to join streams: reproducibly, by originating time; or at once, with what is there."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from edge_emo.sync.delivery import Bell, Mailbox, Policy

ROUND_NS = 500_000_000
"""The longest stretch of a stream that is served before the other streams have their turn."""


class Timed(Protocol):
    """Anything with an originating time."""

    @property
    def end_ns(self) -> int:
        """Originating time just after its last sample."""


T = TypeVar("T", bound=Timed)
T_co = TypeVar("T_co", bound=Timed, covariant=True)


class Join(Protocol[T_co]):
    """The order in which one thread serves several mailboxes."""

    def take(self) -> Iterable[tuple[str, T_co]]:
        """Return what can be served now, in order, each with the name of its stream."""

    def wait(self, timeout_s: float | None) -> None:
        """Wait until :meth:`take` may have something, or the time is over."""

    def wake(self) -> None:
        """End a wait at once."""

    def finished(self, name: str) -> bool:
        """Tell whether stream ``name`` has ended and all of it was taken."""

    @property
    def ended(self) -> bool:
        """True when every stream has finished."""


class _Boxes(Generic[T]):
    def __init__(self, boxes: Mapping[str, Mailbox[T]], bell: Bell) -> None:
        self._boxes = dict(sorted(boxes.items()))
        self._bell = bell

    def wait(self, timeout_s: float | None) -> None:
        self._bell.wait(timeout_s)

    def wake(self) -> None:
        self._bell.ring()

    def finished(self, name: str) -> bool:
        return self._boxes[name].finished

    @property
    def ended(self) -> bool:
        return all(box.finished for box in self._boxes.values())


class LatestJoin(_Boxes[T]):
    """Never waits for a stream: what is there is served. For live use.

    Streams have turns, so that a backlog of one does not keep the others waiting.
    """

    def __init__(self, boxes: Mapping[str, Mailbox[T]], bell: Bell) -> None:
        super().__init__(boxes, bell)
        self._fresh = {name: box for name, box in boxes.items() if box.policy is Policy.LATEST}
        self._queues = {name: box for name, box in boxes.items() if name not in self._fresh}

    def take(self) -> Iterator[tuple[str, T]]:
        """Yield one turn: what waits of each queue, oldest first, then what is newest.

        Of a queue it is :data:`ROUND_NS` at most, in the order in which it was put there. Of a
        stream that keeps only its newest item, that item is taken when its turn has come, so
        that it never ages behind others.
        """
        turns = [[(name, item) for item in _turn(box)] for name, box in self._queues.items()]
        yield from heapq.merge(*turns, key=lambda pair: pair[1].end_ns)
        for name, box in self._fresh.items():
            if (item := box.take()) is not None:
                yield name, item

    def wait(self, timeout_s: float | None) -> None:
        """Wait until something comes, unless something waits already."""
        if all(box.peek() is None for box in self._boxes.values()):
            super().wait(timeout_s)


class ReproducibleJoin(_Boxes[T]):
    """Serves strictly by originating time, and waits until the order is certain.

    Whatever the speed of the threads that fill the mailboxes, the order is the same, so that
    the same recording gives the same states. Equal times are ordered by the stream's name.
    """

    def __init__(self, boxes: Mapping[str, Mailbox[T]], bell: Bell) -> None:
        super().__init__(boxes, bell)
        self._over: set[str] = set()

    def take(self) -> list[tuple[str, T]]:
        """Return the next item once no later arrival can come before it; else nothing.

        One at a time: which streams had finished is known as of this very item.
        """
        self._over = {name for name, box in self._boxes.items() if box.finished}
        heads: list[tuple[int, str]] = []
        for name in self._boxes.keys() - self._over:
            item = self._boxes[name].peek()
            if item is None:
                return []
            heads.append((item.end_ns, name))
        if not heads:
            return []
        name = min(heads)[1]
        item = self._boxes[name].take()
        return [] if item is None else [(name, item)]

    def finished(self, name: str) -> bool:
        """Tell whether ``name`` had finished when the item at hand was taken."""
        return name in self._over


def _turn(box: Mailbox[T]) -> list[T]:
    items: list[T] = []
    while (head := box.peek()) is not None:
        if items and head.end_ns >= items[0].end_ns + ROUND_NS:
            break
        item = box.take()
        items += [] if item is None else [item]
    return items
