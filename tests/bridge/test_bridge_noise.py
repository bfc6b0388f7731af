"""Noise on the line: nothing wrong is accepted, and the first whole frame after it is read.

The long campaign is ``tools/bridge_soak.py``; here is a short part of it.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import pytest
from bridge.c_library import Library
from bridge.noise import Noise
from bridge.world import World, a_state, make_device

from edge_emo.bridge.framing import FrameParser, pack
from edge_emo.bridge.host import Phase
from edge_emo.bridge.messages import SampleBlock, state_to_wire
from edge_emo.bridge.schema import message

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

FRAMES = 3000


def payloads(count: int, seed: int) -> list[bytes]:
    """Payloads that each tell their number, of every kind that is long or short."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        counts = [chance.randrange(-(2**20), 2**20) for _ in range(20)]
        wire = chance.choice(
            [
                state_to_wire(a_state(number), 0),
                message("samples", stream=0, first=number, t_us=number * 10_000, counts=counts),
                message("ping", id=number),
            ]
        )
        made.append(wire.SerializeToString())
    return made


def test_python_accepts_nothing_wrong() -> None:
    noise, parser, accepted = Noise(0.01, 1), FrameParser(), 0
    for number, payload in enumerate(payloads(FRAMES, 1)):
        for frame in parser.feed(noise(pack(payload, number))):
            sent = payloads_by_number[frame.sequence]
            assert frame.payload == sent
            accepted += 1
    assert FRAMES // 4 < accepted < FRAMES
    assert parser.bad > FRAMES // 5


payloads_by_number = payloads(FRAMES, 1)


def test_c_accepts_what_python_accepts(library: Library) -> None:
    noise, parser = Noise(0.01, 2), FrameParser()
    for begin in range(0, FRAMES, 100):
        frames = [pack(p, n) for n, p in enumerate(payloads_by_number[begin : begin + 100], begin)]
        data = noise(b"".join(frames)) + b"\0"
        read = [f"good {f.sequence} {f.payload.hex()}" for f in parser.feed(data)]
        assert [line for line in library.parse(data) if line.startswith("good")] == read


@pytest.mark.parametrize("seed", range(40))
def test_the_first_whole_frame_after_noise_is_read(library: Library, seed: int) -> None:
    chance = random.Random(seed)
    last = pack(payloads_by_number[seed], 1)
    data = Noise(0.3, seed)(last) * 3 + chance.randbytes(chance.randrange(600)) + last
    found = FrameParser().feed(data)
    assert found
    assert found[-1].payload == payloads_by_number[seed]
    assert library.parse(data)[-1] == f"good 1 {found[-1].payload.hex()}"


@pytest.mark.parametrize("kind", ["c", "python"])
def test_a_session_on_a_noisy_line_goes_on_and_believes_nothing_wrong(
    library: Library, kind: str
) -> None:
    world = World(make_device(kind, library))
    world.run(0.5)
    world.host.configure({"active_streams": 1}, world.now_ns)
    world.run(0.2)
    world.to_device, world.to_host = Noise(0.005, 3), Noise(0.005, 4)
    for number in range(300):
        world.offer(a_state(number))
        world.measure(number, world.now_ns, [number, -number])
        world.run(0.1)
        assert world.host.phase is Phase.UP, world.host.failure
    blocks = [event for event in world.events if isinstance(event, SampleBlock)]
    assert all(block.counts == (block.first, -block.first) for block in blocks)
    counters = world.host.counters
    assert len(blocks) > 150
    assert counters.states_acknowledged > 100
    assert counters.bad > 20
    world.to_device = world.to_host = lambda data: data
    world.run(0.3)
    before = counters.states_acknowledged
    world.offer(a_state(301))
    world.run(0.1)
    assert counters.states_acknowledged == before + 1


def test_a_campaign_leaves_nothing_behind(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bridge_soak

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["bridge_soak.py", "noise", "--frames", "200"])
    bridge_soak.main()
    assert list(tmp_path.iterdir()) == []
