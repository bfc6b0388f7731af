"""Mailboxes: every queue between threads is bounded, has a named policy and counts its drops."""

from __future__ import annotations

import contextlib
import enum
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Policy(enum.Enum):
    """What a full mailbox does with one more item."""

    LATEST = "latest"
    """Keep only the newest item: a slow consumer sees it fresh."""
    DROP_OLDEST = "drop-oldest"
    """Keep the newest items up to the capacity."""
    LOSSLESS = "lossless"
    """Hold the producer back; only for producers that can wait, such as files."""


class Bell:
    """Wakes the one thread that serves several mailboxes."""

    def __init__(self) -> None:
        self._silent = threading.Lock()  # held while nobody has rung; far cheaper than an Event
        self._silent.acquire()

    def ring(self) -> None:
        """Wake the waiting thread, or the next wait."""
        with contextlib.suppress(RuntimeError):  # rung already
            self._silent.release()

    def wait(self, timeout_s: float | None) -> None:
        """Wait until rung or until ``timeout_s`` passed; forgets the ring."""
        self._silent.acquire(timeout=-1 if timeout_s is None else min(timeout_s, 3600.0))


class Mailbox(Generic[T]):
    """A bounded queue from one producer thread to one consumer thread.

    Args:
        policy: What to do when full.
        capacity: Number of items; 1 under :attr:`Policy.LATEST`.
        bell: Rung whenever something changes for the consumer.
    """

    def __init__(self, policy: Policy, capacity: int = 1, bell: Bell | None = None) -> None:
        self.policy = policy
        self.capacity = 1 if policy is Policy.LATEST else capacity
        self.drops = 0
        self._items: deque[T] = deque()
        self._ended = False
        self._bell = bell or Bell()
        self._changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Add an item; under LOSSLESS wait for room.

        Returns:
            False when the mailbox was ended meanwhile and the item was not taken.
        """
        with self._changed:
            if self.policy is Policy.LOSSLESS:
                self._changed.wait_for(lambda: self._ended or len(self._items) < self.capacity)
            if self._ended:
                return False
            while len(self._items) >= self.capacity:
                self._items.popleft()
                self.drops += 1
            self._items.append(item)
            self._changed.notify_all()
        self._bell.ring()
        return True

    def peek(self) -> T | None:
        """Return the oldest item without taking it; None when empty. For the consumer only."""
        try:
            return self._items[0]
        except IndexError:
            return None

    def take(self) -> T | None:
        """Take the oldest item; None when empty."""
        if not self._items:
            return None
        with self._changed:
            if not self._items:
                return None
            self._changed.notify_all()
            return self._items.popleft()

    def wait_take(self, timeout_s: float | None = None) -> T | None:
        """Wait for an item and take it; None when ended and empty, or after ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended, timeout_s)
            if not self._items:
                return None
            self._changed.notify_all()
            return self._items.popleft()

    def end(self) -> None:
        """Say that nothing more comes; what is in the box can still be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._bell.ring()

    @property
    def finished(self) -> bool:
        """True when ended and empty."""
        return self._ended and not self._items

    def __len__(self) -> int:
        """Return the number of waiting items."""
        with self._changed:
            return len(self._items)
