"""Serial ports and TCP sockets behind one small contract, with errors that say what to do."""

from __future__ import annotations

import errno
import socket
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from edge_emo import vendor
from edge_emo.errors import (
    ConfigError,
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
)

SLICE_S = 0.02
"""Longest wait of one read, seconds."""

_WRITE_S = 1.0
_READ_BYTES = 4096
_NOT_THERE = {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR, errno.ENOTTY, errno.EIO}
_TAKEN = {errno.EBUSY, errno.EAGAIN}
_FORBIDDEN = {errno.EACCES, errno.EPERM}
_SOCKET = "socket://"
_BY_SERIAL = "usb:"


class Port(Protocol):
    """An open port. One thread reads, any one at a time writes."""

    def read(self) -> bytes:
        """Wait at most :data:`SLICE_S` for a byte; return all that has arrived.

        Raises:
            OSError: The port is gone.
        """

    def write(self, data: bytes) -> None:
        """Send bytes, waiting a second at most.

        Raises:
            OSError: The port is gone, or takes nothing.
        """

    def close(self) -> None:
        """Release the port."""


@dataclass(frozen=True, slots=True)
class PortEntry:
    """A serial port that is attached.

    Attributes:
        path: Its name in the file system, which may move.
        serial: USB serial number, which does not; may be empty.
        usb_id: Numbers of vendor and product; None where the port is no USB device.
        description: In words.
    """

    path: str
    serial: str
    usb_id: tuple[int, int] | None
    description: str


def open_port(target: str, baud: int) -> Port:
    """Open ``/dev/ttyACM0``, ``usb:SERIALNUMBER`` or ``socket://host:port``.

    Raises:
        UnavailableError: pyserial is missing.
        ConfigError: The target is no port.
        DeviceNotFoundError: No such port; the hint lists those there are.
        DeviceBusyError: Another program holds it.
        DeviceError: It may not be opened, or cannot be.
    """
    if is_socket(target):
        return _SocketPort(target)
    path = find_by_serial(target.removeprefix(_BY_SERIAL)) if _by_serial(target) else target
    return _SerialPort(path, baud)


def open_serial(path: str, baud: int, slice_s: float) -> Any:
    """Open a serial port for this program alone; return pyserial's object.

    Args:
        path: Its name in the file system.
        baud: Bits per second.
        slice_s: Longest wait of one read, seconds.

    Raises:
        EdgeEmoError: As :func:`open_port`.
    """
    serial = vendor.load("serial")
    try:
        return serial.Serial(path, baud, timeout=slice_s, write_timeout=_WRITE_S, exclusive=True)
    except OSError as error:
        raise _open_error(path, error) from error
    except termios.error as error:  # it vanished while it was being set up
        raise _open_error(path, OSError(*error.args)) from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def is_socket(target: str) -> bool:
    """Tell whether a target is ``socket://host:port``, which has no baud rate."""
    return target.startswith(_SOCKET)


def check_target(target: str) -> str:
    """Return the target as it is.

    Raises:
        ConfigError: It names no port.
    """
    if target in ("", _BY_SERIAL) or (is_socket(target) and _address(target) is None):
        raise ConfigError(
            f"{target!r} names no port",
            hint="bridge:/dev/ttyACM0, bridge:usb:SERIALNUMBER or bridge:socket://127.0.0.1:7777",
        )
    return target


def find_by_serial(number: str) -> str:
    """Return the path of the USB serial port with this serial number.

    Raises:
        UnavailableError: pyserial is missing.
        DeviceNotFoundError: It is not attached.
    """
    for entry in list_ports():
        if entry.serial == number:
            return entry.path
    raise DeviceNotFoundError(f"no USB port has serial number {number!r}", hint=_what_there_is())


def list_ports() -> Iterator[PortEntry]:
    """Yield the serial ports that are attached.

    Raises:
        UnavailableError: pyserial is missing.
    """
    for port in vendor.load("serial.tools.list_ports").comports():
        usb_id = (port.vid, port.pid) if port.vid is not None else None
        yield PortEntry(port.device, port.serial_number or "", usb_id, port.description)


class _SerialPort:
    def __init__(self, path: str, baud: int) -> None:
        self._port = open_serial(path, baud, SLICE_S)

    def read(self) -> bytes:
        first: bytes = self._port.read(1)
        return first + self._port.read(self._port.in_waiting) if first else first

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def close(self) -> None:
        self._port.close()


class _SocketPort:
    def __init__(self, target: str) -> None:
        address = _address(target)
        if address is None:
            raise ConfigError(f"{target!r} is not socket://host:port")
        try:
            self._socket = socket.create_connection(address, timeout=_WRITE_S)
        except OSError as error:
            raise DeviceNotFoundError(
                f"nothing listens on {target}: {error}", hint="start the program that serves it"
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.dup()
        self._reader.settimeout(SLICE_S)

    def read(self) -> bytes:
        try:
            data = self._reader.recv(_READ_BYTES)
        except TimeoutError:
            return b""
        if not data:
            raise DeviceLostError("the other end closed the connection")
        return data

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


def _by_serial(target: str) -> bool:
    return target.startswith(_BY_SERIAL)


def _address(target: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(target)
        host, port = parts.hostname, parts.port
        host = (host or "").encode("idna").decode()
    except ValueError:
        return None
    return (host, port) if host and port else None


def _open_error(path: str, error: OSError) -> DeviceError:
    if error.errno in _FORBIDDEN:
        return DeviceError(
            f"no permission to open {path}",
            hint="sudo usermod -aG dialout $USER; then log in again",
        )
    if error.errno in _TAKEN:
        return DeviceBusyError(f"another program holds {path}", hint=f"find it: fuser -v {path}")
    if error.errno in _NOT_THERE:
        return DeviceNotFoundError(f"there is no serial port {path}", hint=_what_there_is())
    return DeviceError(f"{path} cannot be opened: {error}", hint=_what_there_is())


def _what_there_is() -> str:
    ports = [f"{entry.path} {entry.serial}".strip() for entry in list_ports()]
    return f"ports here: {', '.join(ports)}" if ports else "no serial port is attached"
