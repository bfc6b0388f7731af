"""Both ends read the golden frames alike: what older firmware sends is understood for ever."""

from __future__ import annotations

import itertools
import zlib
from typing import Any

import pytest
from bridge.c_library import CDevice, Library
from bridge.make_vectors import PATH, good_frames, other_frames
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_emo.bridge.framing import VERSION, FrameParser, pack
from edge_emo.bridge.schema import message, parse

Vectors = list[dict[str, Any]]


def python_outcomes(data: bytes) -> list[str]:
    parser = FrameParser()
    outcomes = []
    for end in range(len(data)):
        bad = parser.bad
        for frame in parser.feed(data[end : end + 1]):
            if frame.version == VERSION:
                outcomes.append(f"good {frame.sequence} {frame.payload.hex()}")
            else:
                outcomes.append("version")
        outcomes += ["bad"] * (parser.bad - bad)
    return outcomes


def test_the_file_is_what_the_code_makes(vectors: Vectors) -> None:
    assert vectors == good_frames() + other_frames(), f"run {PATH.name}'s make_vectors.py"


def test_python_reads_each_frame_as_it_is_written_down(vectors: Vectors) -> None:
    for entry in vectors:
        outcomes = python_outcomes(bytes.fromhex(entry["frame"]))
        expected = [] if entry["outcome"] == "nothing" else [entry["outcome"]]
        assert [outcome.split()[0] for outcome in outcomes] == expected, entry["name"]
        if entry["outcome"] == "good" and entry["message"] is not None:
            payload = bytes.fromhex(outcomes[0].split()[2])
            assert int(outcomes[0].split()[1]) == entry["sequence"]
            read = json_format.MessageToDict(parse(payload), preserving_proto_field_name=True)
            assert read == entry["message"], entry["name"]


def test_c_reads_each_frame_as_python_does(vectors: Vectors, library: Library) -> None:
    for entry in vectors:
        frame = bytes.fromhex(entry["frame"])
        assert library.parse(frame) == python_outcomes(frame), entry["name"]


def test_c_understands_the_host_s_messages(vectors: Vectors, library: Library) -> None:
    frames = {entry["name"]: bytes.fromhex(entry["frame"]) for entry in vectors}
    device = CDevice(library)
    for name in ("host hello", "ping", "state, all known", "state, unknown", "config", "goodbye"):
        device.exchange(frames[name], 1000)
    assert device.lines() == [
        "up",
        "state number=41 age=20 "
        "expressed=happiness confidence=600 intensity=500 age=60 "
        "categories=50,0,100,600,200,30,20 valence=750 arousal=-250 "
        "felt=load confidence=700 intensity=1000 age=20 arousal=400 dominance=0 "
        "divergence=550 health=1,0,2,3,0",
        "state number=1 age=0 health=0,0,0,0,0",
        "config brightness=500 streams=3",
        "down",
    ]


noise = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.builds(
            lambda payload, sequence, version: pack(payload, sequence, version),
            st.binary(max_size=240), st.integers(0, 65535), st.sampled_from([1, 1, 1, 2]),
        ),
        st.just(b"\0"),
    ),
    max_size=6,
).map(b"".join)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(data=noise, flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4))
def test_both_parsers_agree_on_any_bytes(
    library: Library, data: bytes, flips: list[tuple[int, int]]
) -> None:
    garbled = bytearray(data)
    for at, mask in flips:
        if at < len(garbled):
            garbled[at] ^= mask
    assert library.parse(bytes(garbled)) == python_outcomes(bytes(garbled))


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=3000), cuts=st.lists(st.integers(0, 3000), max_size=5))
def test_how_bytes_are_cut_does_not_matter(data: bytes, cuts: list[int]) -> None:
    data += pack(message("ping", id=3).SerializeToString(), 9)
    whole, pieces = FrameParser(), FrameParser()
    expected = whole.feed(data)
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found = [f for a, b in itertools.pairwise(bounds) for f in pieces.feed(data[a:b])]
    assert found == expected
    assert expected[-1].sequence == 9


@pytest.mark.parametrize("size", [0, 1, 9, 64, 240])
def test_the_crc_is_that_of_ieee_802_3(library: Library, size: int) -> None:
    data = bytes(range(7, 7 + 200))[:size] + bytes(max(0, size - 200))
    assert library.lib.shim_crc(data, len(data)) == zlib.crc32(data)
