"""A short seeded part of the fuzzing campaigns; the long ones are in docs/evidence/bridge.md."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bridge.c_library import ROOT, SOURCE
from bridge.make_vectors import a_state as known_state
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_emo.bridge.framing import pack
from edge_emo.bridge.host import HostSession
from edge_emo.bridge.messages import state_to_wire
from edge_emo.bridge.schema import message
from edge_emo.errors import EdgeEmoError

RUNS = 20_000
FUZZER = ROOT / "firmware_bridge" / "c" / "fuzz" / "fuzz_bridge.c"
SANITIZERS = "-fsanitize=fuzzer,address,undefined"
INSTALL = "sudo apt-get install --no-install-recommends clang libclang-rt-dev"


def build(folder: Path) -> Path:
    """Compile the fuzzer, or skip where clang or its run-time library is missing."""
    program = folder / "fuzz"
    sources = [FUZZER, *sorted(SOURCE.glob("*.c"))]
    command = ["clang", "-g", "-O1", SANITIZERS, "-fno-sanitize-recover=all", f"-I{SOURCE}"]
    try:
        subprocess.run(
            [*command, *map(str, sources), "-o", str(program)],
            check=True, capture_output=True, timeout=100,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs libFuzzer ({error}): {INSTALL}")
    return program


def test_the_c_library_survives_any_bytes(tmp_path: Path) -> None:
    run = subprocess.run(
        [str(build(tmp_path)), f"-runs={RUNS}", "-seed=1", "-max_len=128", "-timeout=20"],
        capture_output=True, text=True, timeout=100, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert f"Done {RUNS} runs" in run.stderr


seeds = st.sampled_from(
    [
        state_to_wire(known_state(), 0),
        message("device_hello", protocol=1, board="x", session=77, streams=1),
        message("sensor_stream", id=0, rate_mhz=1000),
        message("samples", stream=0, first=1, t_us=5, counts=[1, -1]),
        message("pong", id=1, received_us=5, sent_us=6),
        message("ack", sequence=1, code=2),
        message("log", level=1, text="x"),
        message("error", code=3, text="x"),
    ]
).map(lambda wire: bytes(wire.SerializeToString()))
edits = st.lists(st.tuples(st.integers(0, 240), st.binary(max_size=3)), max_size=3)


def edited(data: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    for at, piece in changes:
        data = data[:at] + piece + data[at + len(piece) :]
    return data[:240]


pieces = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda seed, changes, number: pack(edited(seed, changes), number),
        seeds, edits, st.integers(0, 65535),
    ),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(data=st.lists(pieces, max_size=8))
def test_the_host_survives_any_bytes(data: list[bytes]) -> None:
    host = HostSession("a port", 77, 0)
    hello = message("device_hello", protocol=1, board="x", session=77)
    host.receive(pack(hello.SerializeToString(), 0), 0)
    for number, piece in enumerate(data):
        now_ns = number * 300_000_000
        for event in host.receive(piece, now_ns) + host.poll(now_ns):
            assert repr(event)
        host.take_output()
        if host.failure is not None:
            assert isinstance(host.failure, EdgeEmoError)
            assert str(host.failure)
            break
