"""The long campaigns of the microcontroller bridge; its tests run a short part of each.

    PYTHONPATH=.:tests nice -n 15 python tools/bridge_soak.py noise --frames 1000000
    PYTHONPATH=.:tests nice -n 15 python tools/bridge_soak.py fuzz --inputs 1000000
    PYTHONPATH=.:tests python tools/bridge_soak.py latency
    PYTHONPATH=.:tests python tools/bridge_soak.py line

The C parser is fuzzed by libFuzzer: firmware_bridge/c/fuzz/fuzz_bridge.c.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import platform
import queue
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bridge.c_library import Library, build
from bridge.make_vectors import a_state as full_state
from bridge.noise import Noise
from bridge.world import a_state
from lab.paced_line import PacedLine
from lab.qemu_board import QemuBoard
from lab.qemu_board import build as build_firmware

from edge_emo.bridge.framing import FrameParser, pack
from edge_emo.bridge.host import HostSession
from edge_emo.bridge.link import Link, LinkSettings, acquire, release
from edge_emo.bridge.messages import Acknowledged, Event, state_to_wire
from edge_emo.bridge.schema import message
from edge_emo.clock import MonotonicClock
from edge_emo.drivers.physio.bridge import BridgePhysio
from edge_emo.errors import DeviceTimeoutError, EdgeEmoError

BATCH = 200
CLEAN = 20
PAYLOADS = 2000
BAUD_BYTES = 11_520
"""Bytes a second of one direction at 115,200 baud, 8N1."""


def main() -> None:
    """Run one campaign and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaign", choices=sorted(CAMPAIGNS))
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--share", type=float, default=0.01, help="of the bytes that are hit")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        CAMPAIGNS[options.campaign](options, Path(folder))
    print(f"{time.monotonic() - began_s:.0f} s on {platform.machine()}, {platform.system()}")


def noise(options: argparse.Namespace, folder: Path) -> None:
    """Send frames through a line that flips, loses, inserts and swaps bytes, to both parsers.

    Every batch ends with clean frames, by which recovery is counted.
    """
    library = Library(build(folder))
    garble, parser = Noise(options.share, options.seed), FrameParser()
    chance = random.Random(options.seed)
    pool = [payload(number, chance) for number in range(PAYLOADS)]
    accepted = wrong = disagreed = late = 0
    for begin in range(0, options.frames, BATCH):
        sent = [(n & 0xFFFF, chance.choice(pool)) for n in range(begin, begin + BATCH)]
        frames = [pack(body, number) for number, body in sent]
        data = garble(b"".join(frames[:-CLEAN])) + b"".join(frames[-CLEAN:])
        found = [(frame.sequence, frame.payload) for frame in parser.feed(data)]
        wrong += len(set(found) - set(sent))
        accepted += len(found)
        late = max(late, len(set(sent[-CLEAN:]) - set(found)))
        disagreed += c_good(library, data) != [(n, body.hex()) for n, body in found]
    print(f"{options.frames} frames, {options.share:.1%} of bytes hit: {accepted} accepted,")
    print(f"{parser.bad} runs of bytes refused, {wrong} wrong messages accepted,")
    print(f"{late} clean frames lost at most after each of {options.frames // BATCH} stretches;")
    print(f"the parsers in C and Python disagreed {disagreed} times")


def payload(number: int, chance: random.Random) -> bytes:
    """Return a message that tells its number."""
    kind = chance.randrange(3)
    if kind == 0:
        return bytes(state_to_wire(a_state(number), 0).SerializeToString())
    if kind == 1:
        counts = [chance.randrange(-(2**20), 2**20) for _ in range(20)]
        made = message("samples", stream=0, first=number, t_us=number * 10_000, counts=counts)
        return bytes(made.SerializeToString())
    return bytes(message("ping", id=number).SerializeToString())


def c_good(library: Library, data: bytes) -> list[tuple[int, str]]:
    """Return sequence number and payload of each frame that the C parser accepts."""
    rows = [line.split(" ") for line in library.parse(data) if line.startswith("good")]
    return [(int(row[1]), row[2]) for row in rows]


def fuzz(options: argparse.Namespace, folder: Path) -> None:
    """Give the host's side random, mutated and well-framed nonsense; only named errors may come."""
    chance = random.Random(options.seed)
    seeds = [payload(number, chance) for number in range(300)]
    seeds += [
        message("device_hello", protocol=1, board="x", session=77, streams=1).SerializeToString(),
        message("sensor_stream", id=0, rate_mhz=1000).SerializeToString(),
        message("pong", id=1, received_us=5, sent_us=6).SerializeToString(),
        message("ack", sequence=1, code=2).SerializeToString(),
        message("error", code=3, text="x").SerializeToString(),
    ]
    host, now_ns, failures, slowest_s = fresh(), 0, 0, 0.0
    for _ in range(options.inputs):
        began_s = time.perf_counter()
        now_ns += 1_000_000
        for event in host.receive(nonsense(chance, seeds), now_ns) + host.poll(now_ns):
            repr(event)
        host.take_output()
        if host.failure is not None:
            assert isinstance(host.failure, EdgeEmoError)
            failures, host, now_ns = failures + 1, fresh(), 0
        slowest_s = max(slowest_s, time.perf_counter() - began_s)
    print(f"{options.inputs} inputs: no other error than {failures} named ones")
    print(f"slowest input {slowest_s * 1e3:.1f} ms")


def fresh() -> HostSession:
    """Return a session that was greeted, so that all messages are obeyed."""
    host = HostSession("a port", 77, 0)
    hello = message("device_hello", protocol=1, board="x", session=77)
    host.receive(pack(hello.SerializeToString(), 0), 0)
    host.offer(a_state(1), 0)
    host.configure({"active_streams": 1}, 0)
    return host


def nonsense(chance: random.Random, seeds: list[bytes]) -> bytes:
    """Return bytes: random ones, a mutated frame, or a good frame around a mutated message."""
    how = chance.randrange(3)
    if how == 0:
        return chance.randbytes(chance.randrange(60))
    payload = mutated(chance.choice(seeds), chance) if how == 2 else chance.choice(seeds)
    frame = pack(payload[:240], chance.randrange(65536), 1 if chance.random() < 0.99 else 2)
    return mutated(frame, chance) if how == 1 else frame


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change a few bytes."""
    out = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(out) + 1)
        out[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(out)


def latency(options: argparse.Namespace, folder: Path) -> None:
    """Time states from the host to the emulated Cortex-M3 and back, over TCP serial."""
    firmware = build_firmware(folder)
    with QemuBoard(firmware) as board:
        clock = MonotonicClock()
        link = acquire(board.target, clock, LinkSettings(rate_hz=1000.0))
        link.wait_up()
        heard: queue.Queue[Event] = queue.Queue()
        link.listen(heard.put)
        taken_ms = []
        for seq in range(options.messages):
            link.offer(a_state(seq, clock.now_ns()))
            taken_ms.append(next_ack(heard).round_trip_ns / 1e6)
        counters = link.status.counters
        release(link)
    p50, p95, p99 = np.percentile(taken_ms, [50, 95, 99])
    print(f"{options.messages} states: {counters.states_acknowledged} acknowledged;")
    print(f"p50 {p50:.2f}, p95 {p95:.2f}, p99 {p99:.2f}, longest {max(taken_ms):.2f} ms")


def next_ack(heard: queue.Queue[Event]) -> Acknowledged:
    """Wait for the next acknowledgement."""
    while True:
        event = heard.get(timeout=5.0)
        if isinstance(event, Acknowledged):
            return event


def line(options: argparse.Namespace, folder: Path) -> None:
    """Pace the line to 115,200 baud; 20 full states a second, and 100 Hz of two channels back."""
    firmware = build_firmware(folder)
    taken_ms: list[float] = []
    with QemuBoard(firmware) as board:
        port = int(board.target.rpartition(":")[2])
        with PacedLine(port, BAUD_BYTES) as paced, BridgePhysio(paced.target) as driver:
            clock = MonotonicClock()
            driver.open(clock)
            link = acquire(paced.target, clock)
            link.listen(lambda event: note(event, taken_ms))
            began_ns, before = clock.now_ns(), (paced.to_board, paced.to_host)
            samples = send_states(link, driver, clock, options.seconds)
            seconds = (clock.now_ns() - began_ns) / 1e9
            passed = (paced.to_board - before[0], paced.to_host - before[1])
            counters = link.status.counters
            release(link)
    for count, name in zip(passed, ("to the board", "to the host"), strict=True):
        rate = count / seconds
        print(f"{name}: {rate:.0f} bytes a second, {rate / BAUD_BYTES:.1%} of the line")
    print(f"{counters.states_acknowledged} of {counters.states_sent} states acknowledged,")
    print(f"p50 {np.percentile(taken_ms, 50):.1f}, p99 {np.percentile(taken_ms, 99):.1f} ms;")
    print(f"{samples} samples, {driver.dropped} missing, {counters.bad} bad, {counters.lost} lost")


def note(event: Event, taken_ms: list[float]) -> None:
    """Keep how long a state took."""
    if isinstance(event, Acknowledged):
        taken_ms.append(event.round_trip_ns / 1e6)


def send_states(link: Link, driver: BridgePhysio, clock: MonotonicClock, seconds: float) -> int:
    """Send 20 states a second and read samples meanwhile; return how many samples came."""
    began_ns, samples = clock.now_ns(), 0
    for seq in range(round(seconds * 20)):
        link.offer(dataclasses.replace(full_state(), seq=seq, t_ns=clock.now_ns()))
        while clock.now_ns() < began_ns + (seq + 1) * 50_000_000:
            with contextlib.suppress(DeviceTimeoutError):
                chunk = driver.read(0.01)
                samples += chunk.n_samples if chunk else 0
    return samples


CAMPAIGNS: dict[str, Callable[[argparse.Namespace, Path], None]] = {
    "noise": noise,
    "fuzz": fuzz,
    "latency": latency,
    "line": line,
}

if __name__ == "__main__":
    main()
