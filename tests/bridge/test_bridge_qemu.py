"""The real sink and driver against the real firmware on an emulated Cortex-M3, and its size."""

from __future__ import annotations

import dataclasses
import math
import queue
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from bridge.c_library import ROOT, SOURCE, STRICT
from bridge.make_vectors import a_state as known_state
from bridge.world import a_state
from lab.qemu_board import QemuBoard, build, missing

from edge_emo.bridge.framing import FrameParser, pack
from edge_emo.bridge.link import Link, LinkSettings, acquire, release
from edge_emo.bridge.messages import Acknowledged, BoardText, Event, SampleBlock
from edge_emo.bridge.schema import message, parse
from edge_emo.clock import MonotonicClock
from edge_emo.drivers.physio.bridge import BridgePhysio
from edge_emo.errors import DeviceLostError
from edge_emo.pipeline import Pipeline
from edge_emo.sinks.bridge import BridgeSink
from edge_emo.testing import read_chunks

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")

MESSAGES = 1000
LOOSE_MS = 100.0  # other work may hold this machine up; tools/bridge_soak.py takes the figure
CAUTIOUS_MM_S, FULL_MM_S = 300, 800
Tell = Callable[[str], None]
CODE_BYTES, RAM_BYTES, RAM_OF_THE_BRIDGE = 10 * 1024, 2 * 1024, 864
M0 = ("-mcpu=cortex-m0plus", "-mthumb", "-Os", "-ffunction-sections", "-fdata-sections")


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("firmware"))


@pytest.fixture
def board(firmware: Path) -> Iterator[QemuBoard]:
    with QemuBoard(firmware) as board:
        yield board


def test_states_reach_the_firmware_and_are_acknowledged_in_time(
    board: QemuBoard, tell: Tell
) -> None:
    clock = MonotonicClock()
    link = acquire(board.target, clock, LinkSettings(rate_hz=1000.0))
    link.wait_up()
    heard: queue.Queue[Event] = queue.Queue()
    link.listen(heard.put)
    taken_ms = [trip_ms(link, heard, clock) for _ in range(MESSAGES)]
    counters = link.status.counters
    release(link)
    p50, p99 = np.percentile(taken_ms, [50, 99])
    tell(f"emulated board: {MESSAGES} states to acknowledgement p50 {p50:.2f}, p99 {p99:.2f} ms")
    assert counters.states_sent == counters.states_acknowledged == MESSAGES
    assert counters.lost == counters.bad == 0
    assert p50 <= LOOSE_MS


def trip_ms(link: Link, heard: queue.Queue[Event], clock: MonotonicClock) -> float:
    link.offer(a_state(1, clock.now_ns()))
    return next_of(heard, Acknowledged).round_trip_ns / 1e6


def next_of(heard: queue.Queue[Event], kind: type) -> Event:
    while True:
        event = heard.get(timeout=5.0)
        if isinstance(event, kind):
            return event


def test_the_light_shows_what_the_state_says(board: QemuBoard) -> None:
    clock = MonotonicClock()
    link = acquire(board.target, clock)
    link.wait_up()
    heard: queue.Queue[Event] = queue.Queue()
    link.listen(heard.put)
    link.offer(a_state(1, clock.now_ns()))
    lines = [next_of(heard, BoardText).text]
    if "brightness 30" in lines[0]:  # the light of a board that was just greeted
        lines.append(next_of(heard, BoardText).text)
    assert lines[-1] == "hue 90 brightness 180 speed 675"
    assert next_of(heard, BoardText).text == "hue 0 brightness 30 speed 300"  # the state is old
    release(link)


def test_a_state_of_long_ago_moves_nothing(board: QemuBoard) -> None:
    clock = MonotonicClock()
    link = acquire(board.target, clock)
    link.wait_up()
    heard: queue.Queue[Event] = queue.Queue()
    link.listen(heard.put)
    new = a_state(2, clock.now_ns())
    assert new.expressed is not None
    sad = dataclasses.replace(new.expressed, valence=-1.0)
    link.offer(dataclasses.replace(new, t_ns=new.t_ns - 3_000_000_000, expressed=sad))
    link.offer(new)  # goes out 50 ms later, once the other was acknowledged
    texts = [next_of(heard, BoardText).text]
    while texts[-1] != "hue 90 brightness 180 speed 675":
        texts.append(next_of(heard, BoardText).text)
    release(link)
    assert "hue 0 brightness 180 speed 675" not in texts


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (2**31 - 1, "hue 120 brightness 255 speed 300"),
        (-(2**31), "hue 0 brightness 55 speed 800"),
    ],
)
def test_a_number_out_of_range_moves_nothing_out_of_range(
    board: QemuBoard, number: int, shown: str
) -> None:
    state = message("state", number=1)
    state.state.expressed.valence = state.state.expressed.arousal = number
    hello = message("host_hello", session=77)
    address = urlsplit(board.target)
    with socket.create_connection((address.hostname, address.port), timeout=5.0) as line:
        for sequence, wire in enumerate((hello, state)):
            line.sendall(pack(wire.SerializeToString(), sequence))
        parser, texts = FrameParser(), [""]
        while shown not in texts and len(texts) < 10:  # the board goes on greeting
            texts += [parse(frame.payload).log.text for frame in parser.feed(line.recv(4096))]
    assert shown in texts


def test_samples_of_the_firmware_are_whole_and_in_time(board: QemuBoard) -> None:
    clock = MonotonicClock()
    with BridgePhysio(board.target) as driver:
        info = driver.open(clock)
        chunks = read_chunks(driver, 10)
        late_ns = clock.now_ns() - (chunks[-1].end_ns - 10_000_000)  # after the last sample
    assert (info.channels, info.rate_hz) == (("bvp", "eda"), 100.0)
    assert "mps2-an385" in info.device
    assert [chunk.seq for chunk in chunks] == list(range(0, 100, 10))
    assert -10e6 < late_ns < 500e6
    skin = np.concatenate([chunk.samples for chunk in chunks])[:, 1]
    np.testing.assert_allclose(np.abs(np.diff(skin)), 0.001, atol=1e-4)
    spans_ns = np.diff([chunk.t_ns for chunk in chunks])
    np.testing.assert_allclose(spans_ns, 100e6, atol=10e6)  # others may hold this machine up


def test_ram_with_the_stack_is_below_two_kilobytes(
    firmware: Path, board: QemuBoard, tell: Tell
) -> None:
    """The stack of the whole firmware, its handlers and interrupts too, after a full state."""
    clock = MonotonicClock()
    link = acquire(board.target, clock)
    link.wait_up()
    link.activate(0, on=True)
    heard: queue.Queue[Event] = queue.Queue()
    link.listen(heard.put)
    for seq in range(3):
        link.offer(dataclasses.replace(known_state(), seq=seq, t_ns=clock.now_ns()))
        next_of(heard, Acknowledged)
    next_of(heard, SampleBlock)
    stack = used_stack(board, firmware)
    release(link)
    tell(f"Cortex-M3: {stack} bytes of stack, interrupts and the application's own included")
    assert stack > 300
    assert stack + RAM_OF_THE_BRIDGE <= RAM_BYTES


def used_stack(board: QemuBoard, firmware: Path) -> int:
    """Count the bytes below the top of the stack that are no longer zero."""
    told = subprocess.run(
        ["arm-none-eabi-nm", str(firmware)], capture_output=True, text=True, check=True
    ).stdout
    symbols = {name: int(at, 16) for at, _, name in map(str.split, told.splitlines())}
    begin, top = symbols["bss_end"], symbols["stack_top"]
    memory = board.memory(begin, top - begin)
    return len(memory.lstrip(b"\0"))


def test_a_board_that_loses_power_comes_back(firmware: Path, tmp_path: Path, tell: Tell) -> None:
    clock = MonotonicClock()
    board = QemuBoard(firmware, tmp_path / "ttyQemu")
    sink = BridgeSink(board.target)
    with board, BridgePhysio(board.target) as driver:
        driver.open(clock)
        sink.open({}, clock)
        link = acquire(board.target, clock)
        heard: queue.Queue[Event] = queue.Queue()
        link.listen(heard.put)
        board.unplug()
        with pytest.raises(DeviceLostError):
            read_chunks(driver, 1000)
        board.plug()
        back_ns = clock.now_ns()
        link.wait_up(5.0)
        sink.state(a_state(2, clock.now_ns()))
        assert next_of(heard, Acknowledged).code == "ok"
        took_s = (clock.now_ns() - back_ns) / 1e9
        tell(f"emulated board: states flow again {took_s:.2f} s after the port is back")
        assert took_s <= 2.0
        driver.open(clock)
        assert read_chunks(driver, 1)[0].seq == 0
        release(link)
        sink.close()


def test_a_pipeline_goes_on_while_its_board_restarts(firmware: Path, tmp_path: Path) -> None:
    with QemuBoard(firmware, tmp_path / "ttyQemu") as board:
        address = f"bridge:{board.target}"
        with Pipeline(eeg="virtual:", physio=address, sinks=[address]) as pipeline:
            step = "run"
            for state in pipeline:
                health = state.health["physio"]
                if step == "run" and health.alive:
                    board.unplug()
                    step = "lost"
                elif step == "lost" and not health.alive:
                    board.plug()
                    step = "back"
                elif step == "back" and health.alive:
                    break
            assert pipeline.failures == []


def test_the_robot_slows_when_arousal_rises(board: QemuBoard) -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "robot_bridge.py"),
         "--port", board.target, "--seconds", "3"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    lines = [line.split() for line in run.stdout.splitlines() if line.startswith("arousal")]
    speeds = {int(words[-2]) for words in lines}
    sent = {limit_mm_s(round(math.sin(seq * 0.6), 2)) for seq in range(12)}
    assert all(any(abs(speed - limit) <= 1 for limit in sent) for speed in speeds - {CAUTIOUS_MM_S})
    assert max(speeds) == FULL_MM_S
    assert len(speeds) >= 3


def limit_mm_s(arousal: float) -> int:
    return CAUTIOUS_MM_S + round((FULL_MM_S - CAUTIOUS_MM_S) * min(1.0, 1.0 - arousal))


def compiled(tmp_path: Path, *flags: str) -> list[Path]:
    objects = []
    for source in sorted(SOURCE.glob("*.c")):
        target = tmp_path / f"{source.stem}.o"
        command = ["arm-none-eabi-gcc", *STRICT, *M0, *flags, "-c", str(source), "-o", str(target)]
        subprocess.run(command, check=True, timeout=60)
        objects.append(target)
    return objects


def test_code_and_ram_on_cortex_m0plus(tmp_path: Path, tell: Tell) -> None:
    objects = compiled(tmp_path)
    told = subprocess.run(
        ["arm-none-eabi-size", "-t", *map(str, objects)], capture_output=True, text=True, check=True
    ).stdout
    text, data, bss = (int(word) for word in told.splitlines()[-1].split()[:3])
    probe = tmp_path / "probe.c"
    probe.write_text('#include "edge_emo_bridge.h"\nchar ram[sizeof(ee_bridge)];\n')
    subprocess.run(
        ["arm-none-eabi-gcc", *M0, f"-I{SOURCE}", "-c", str(probe), "-o", str(tmp_path / "p.o")],
        check=True,
    )
    sizes = subprocess.run(
        ["arm-none-eabi-nm", "-S", str(tmp_path / "p.o")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    ram = int(sizes.split()[1], 16)
    tell(f"Cortex-M0+: code {text} bytes, one ee_bridge {ram} bytes")
    assert (data, bss) == (0, 0), "the library has no globals"
    assert text <= CODE_BYTES
    assert ram == RAM_OF_THE_BRIDGE


def test_the_library_needs_memcpy_and_memset_only(tmp_path: Path) -> None:
    objects = compiled(tmp_path)
    whole = tmp_path / "whole.o"
    subprocess.run(["arm-none-eabi-ld", "-r", *map(str, objects), "-o", str(whole)], check=True)
    told = subprocess.run(
        ["arm-none-eabi-nm", "-u", str(whole)], capture_output=True, text=True, check=True
    ).stdout
    needed = {word for word in told.split() if word != "U"}
    compiler_s_own = {name for name in needed if name.startswith(("__aeabi", "__gnu_thumb"))}
    assert needed - compiler_s_own == {"memcpy", "memset"}
