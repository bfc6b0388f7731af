"""Writes firmware_bridge/vectors/frames.json. Run it when a message was added; see the diff.

Frames that exist must not change: they are what older firmware sends and understands.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from edge_emo.bridge.framing import pack
from edge_emo.bridge.messages import SensorStream, state_to_wire, stream_to_wire
from edge_emo.bridge.schema import WireMessage, message
from edge_emo.types import CATEGORIES, Affect, EmotionState, Posterior, StreamHealth

PATH = Path(__file__).resolve().parents[2] / "firmware_bridge" / "vectors" / "frames.json"
STREAM = SensorStream(0, "body", 100.0, ("bvp", "eda"), ("", "uS"), (1.0, 0.125), (0.0, 0.5))


def a_state() -> EmotionState:
    shares = (0.05, 0.0, 0.1, 0.6, 0.2, 0.03, 0.02)
    expressed = Affect(
        Posterior(CATEGORIES, shares), "happiness", 0.6, 0.75, -0.25, None, 0.5, 40_000_000
    )
    felt = Affect(Posterior(("rest", "load"), (0.3, 0.7)), "load", 0.7, None, 0.4, 0.0, 1.0, 0)
    health = {
        "camera": StreamHealth("camera", True, True, True, 5, 30.0, 0, 0.0, 0, ""),
        "eeg": StreamHealth("eeg", True, False, True, 5, 30.0, 0, 0.0, 0, "slow"),
        "physio": StreamHealth("physio", False, False, True, 5, 30.0, 0, 0.0, 0, "gone"),
    }
    return EmotionState(2_000_000_000, 41, 30_000_000, expressed, felt, 0.55, {}, health)


def messages() -> dict[str, WireMessage]:
    nothing = EmotionState(0, 1, 0, None, None, None, reason="no face")
    return {
        "host hello": message("host_hello", session=0x12345678, sdk="0.1.0"),
        "device hello": message(
            "device_hello", protocol=1, board="mps2-an385", firmware="1.0.0", serial="QEMU0001",
            session=0x12345678, capabilities=7, streams=1,
        ),
        "sensor stream": stream_to_wire(STREAM),
        "ping": message("ping", id=7),
        "pong": message("pong", id=7, received_us=2**40, sent_us=2**40 + 5),
        "state, all known": state_to_wire(a_state(), 2_020_000_000),
        "state, unknown": state_to_wire(nothing, 0),
        "config": message("config", brightness=500, active_streams=3),
        "config, darkness": message("config", brightness=0),
        "ack": message("ack", sequence=65535),
        "ack, refused": message("ack", sequence=9, code=2),
        "samples": message("samples", stream=0, first=120, t_us=9_876_543_210,
                           counts=[0, -1, 1, -300, 2**31 - 1, -(2**31)]),
        "log": message("log", level=1, text="hue 12"),
        "error": message("error", code=5, text="no finger"),
        "goodbye": message("goodbye"),
    }  # fmt: skip


def good_frames() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "outcome": "good",
            "sequence": sequence,
            "frame": pack(wire.SerializeToString(), sequence).hex(),
            "message": json_format.MessageToDict(wire, preserving_proto_field_name=True),
        }
        for sequence, (name, wire) in enumerate(messages().items(), 254)
    ]


def other_frames() -> list[dict[str, Any]]:
    ping = message("ping", id=7).SerializeToString()
    good = pack(ping, 1)
    unknown = bytes.fromhex("a20602080a")  # field 100, which no message has
    longest = pack(bytes(range(1, 241)), 0xFFFF)
    return [
        {"name": "a newer message", "outcome": "good", "sequence": 1, "message": {},
         "frame": pack(unknown, 1).hex()},
        {"name": "the longest payload", "outcome": "good", "sequence": 65535, "message": None,
         "frame": longest.hex()},
        {"name": "version 2", "outcome": "version", "frame": pack(ping, 1, 2).hex()},
        {"name": "a wrong bit", "outcome": "bad", "frame": _flip(good, 5).hex()},
        {"name": "a byte too few", "outcome": "bad", "frame": (good[:4] + good[5:]).hex()},
        {"name": "a byte too many", "outcome": "bad", "frame": (good[:4] + b"\7" + good[4:]).hex()},
        {"name": "too short for a header", "outcome": "bad", "frame": "00020102020100"},
        {"name": "a code that points outside", "outcome": "bad",
         "frame": "00" + "ff" * 12 + "00"},
        {"name": "without end", "outcome": "bad", "frame": "00" + "01" * 400 + "00"},
        {"name": "no byte between two zeros", "outcome": "nothing", "frame": "0000"},
    ]  # fmt: skip


def _flip(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes([frame[at] ^ 4]) + frame[at + 1 :]


def main() -> None:
    text = json.dumps({"version": 1, "frames": good_frames() + other_frames()}, indent=1)
    PATH.write_text(text + "\n")


if __name__ == "__main__":
    main()
