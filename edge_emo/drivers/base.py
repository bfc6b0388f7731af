"""The contract of every driver: open, read, close, with stamps on the session clock.

``edge_emo.testing.DriverContract`` checks all of it for any driver, shipped or your own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from edge_emo.clock import Clock
from edge_emo.types import Chunk, Kind, StreamInfo

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """One attached device, as ``edge-emo devices`` lists it.

    Attributes:
        kind: What its stream carries.
        address: Address to paste.
        description: The device in words.
    """

    kind: Kind
    address: str
    description: str


class Driver(ABC):
    """Reads one device. Constructors touch no hardware; ``open`` does; ``close`` is idempotent.

    A driver belongs to one thread at a time, except ``close``, which any thread may call.
    After ``close`` it can be opened again, which is how a lost device is reconnected.

    A subclass names its options as keyword parameters with types; the first parameter,
    ``target``, is the rest of the address. Its module imports vendor packages through
    :func:`edge_emo.vendor.load` inside ``open`` and ``devices`` only.
    """

    kind: ClassVar[Kind]

    @abstractmethod
    def open(self, clock: Clock) -> StreamInfo:
        """Open the device, set it up, read its settings back and start it.

        Args:
            clock: The session clock that every stamp is on.

        Returns:
            What the device really does, which may differ from what was asked.

        Raises:
            UnavailableError: A package is missing.
            DeviceNotFoundError: No such device or file.
            DeviceBusyError: Another program holds it.
            DeviceTimeoutError: It does not answer.
            ConfigError: It cannot do what the options ask.
        """

    @abstractmethod
    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next chunk, or None at the end of a finite source.

        Args:
            timeout_s: Longest wait for a chunk, in seconds.

        Raises:
            DeviceTimeoutError: Nothing came in time; reading on is allowed.
            DeviceLostError: The device is gone; close it and open it again.
            ClosedError: It is not open.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the device; does nothing when it is not open."""

    @property
    def dropped(self) -> int:
        """Samples that the device itself reports as lost since ``open`` (xruns, packet gaps)."""
        return 0

    @classmethod
    def devices(cls) -> list[DeviceEntry]:
        """List what is attached now; empty when the vendor package is missing."""
        return []

    def __enter__(self) -> Self:
        """Return the driver; opening is left to the caller, who has the clock."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the driver."""
        self.close()
