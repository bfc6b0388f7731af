"""Frames of the wire: COBS, version, sequence number and CRC-32. PROTOCOL.md, section 2.

COBS: Cheshire and Baker, Consistent Overhead Byte Stuffing, IEEE/ACM Transactions on
Networking 7(2), 1999. A body is below 255 bytes, so each frame has a single first code.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from edge_emo.errors import FrameError

VERSION = 1
PAYLOAD_MAX_BYTES = 240
HEADER_BYTES = 4
CRC_BYTES = 4
BODY_MAX_BYTES = HEADER_BYTES + PAYLOAD_MAX_BYTES + CRC_BYTES
FRAME_MAX_BYTES = BODY_MAX_BYTES + 3

_HEADER = struct.Struct("<BBH")
_CRC = struct.Struct("<I")
_ENCODED_MAX_BYTES = BODY_MAX_BYTES + 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose CRC is right.

    Attributes:
        version: Version of the protocol that the sender speaks.
        sequence: Number of the frame, modulo 65536.
        payload: The message, at most 240 bytes.
    """

    version: int
    sequence: int
    payload: bytes


def pack(payload: bytes, sequence: int, version: int = VERSION) -> bytes:
    """Return the bytes of one frame, with a zero before and after.

    Raises:
        FrameError: The payload is longer than 240 bytes.
    """
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise FrameError(f"a payload of {len(payload)} bytes; at most {PAYLOAD_MAX_BYTES} fit")
    body = _HEADER.pack(version, 0, sequence & 0xFFFF) + payload
    body += _CRC.pack(zlib.crc32(body))
    return b"\0" + _stuff(body) + b"\0"


def unpack(encoded: bytes) -> Frame:
    """Return the frame that the bytes between two zeros hold.

    Raises:
        FrameError: They are no frame; the message says why.
    """
    if len(encoded) > _ENCODED_MAX_BYTES:
        raise FrameError(f"more than {_ENCODED_MAX_BYTES} bytes without a zero")
    body = _unstuff(encoded)
    if len(body) < HEADER_BYTES + CRC_BYTES:
        raise FrameError(f"a body of {len(body)} bytes is too short")
    if zlib.crc32(body[:-CRC_BYTES]) != _CRC.unpack_from(body, len(body) - CRC_BYTES)[0]:
        raise FrameError("the CRC is wrong")
    version, _, sequence = _HEADER.unpack_from(body)
    return Frame(version, sequence, body[HEADER_BYTES:-CRC_BYTES])


class FrameParser:
    """Finds frames in a stream of bytes, and finds them again after garbage.

    Holds at most one frame's bytes, whatever arrives.

    Attributes:
        good: Frames found so far.
        bad: Runs of bytes between zeros that were no frame.
    """

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Add bytes; return every frame that they complete."""
        *complete, rest = data.split(b"\0")
        frames = []
        for part in complete:
            frame = self._end(part)
            if frame is not None:
                frames.append(frame)
        self._hold(rest)
        return frames

    def _hold(self, part: bytes) -> None:
        room = _ENCODED_MAX_BYTES + 1 - len(self._pending)  # one too many marks an overrun
        self._pending += part[:room]

    def _end(self, part: bytes) -> Frame | None:
        self._hold(part)
        encoded = bytes(self._pending)
        self._pending.clear()
        if not encoded:
            return None
        try:
            frame = unpack(encoded)
        except FrameError:
            self.bad += 1
            return None
        self.good += 1
        return frame


def _stuff(body: bytes) -> bytes:
    return b"".join(bytes([len(part) + 1]) + part for part in body.split(b"\0"))


def _unstuff(encoded: bytes) -> bytes:
    parts = []
    at = 0
    while at < len(encoded):
        end = at + max(encoded[at], 1)
        parts.append(encoded[at + 1 : end])
        at = end
    if at != len(encoded):
        raise FrameError("a COBS code points outside of the frame")
    return b"\0".join(parts)
