from __future__ import annotations

import errno
import os
import subprocess
import sys
import termios
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lab.cyton_board import CytonBoard, packet

from edge_emo import vendor
from edge_emo.clock import ManualClock, MonotonicClock
from edge_emo.drivers.base import Driver
from edge_emo.drivers.eeg.cyton import CytonEeg, PacketParser, to_microvolts
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceTimeoutError,
)
from edge_emo.registry import DRIVERS, Address, construct
from edge_emo.testing import DriverContract, read_chunks
from edge_emo.types import Chunk
from tests.fakes.reading import end_of_read

pytestmark = pytest.mark.skipif(
    not vendor.installed("serial"), reason=f"needs pyserial: {vendor.VENDORS['serial'].install}"
)

COUNT_UV = 4.5e6 / 24 / (2**23 - 1)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[CytonBoard]:
    with CytonBoard(tmp_path) as board:
        yield board


@pytest.fixture
def eeg(board: CytonBoard) -> Iterator[CytonEeg]:
    with CytonEeg(str(board.path)) as driver:
        yield driver


class UnpluggedPort:
    """A port whose dongle is torn out between a command and the flush after it."""

    def write(self, data: bytes) -> None:
        pass

    def reset_input_buffer(self) -> None:
        raise termios.error(errno.EIO, "Input/output error")


def test_a_dongle_that_vanishes_while_it_is_set_up_is_lost() -> None:
    with pytest.raises(DeviceLostError, match=r"is gone: .*Input/output error"):
        CytonEeg("/dev/ttyUSB9")._start(UnpluggedPort(), ManualClock())


def started(driver: CytonEeg, board: CytonBoard, clock: ManualClock | None = None) -> None:
    driver.open(clock or MonotonicClock())
    assert board.streaming.wait(5.0)


def read_samples(driver: Driver, count: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    while sum(chunk.n_samples for chunk in chunks) < count:
        chunks += read_chunks(driver, 1)
    return chunks


def joined(chunks: list[Chunk]) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


class TestContract(DriverContract):
    @pytest.fixture(autouse=True)
    def _attached(self, tmp_path: Path) -> Iterator[None]:
        with CytonBoard(tmp_path, burst=60) as self.board:
            yield

    def make(self) -> Driver:
        return CytonEeg(str(self.board.path))


def test_its_address_makes_it() -> None:
    address = Address.parse("cyton:/dev/ttyUSB3?gain=12&channels=Fp1,Fp2")
    assert isinstance(construct(DRIVERS.load("eeg.cyton"), address), CytonEeg)


def test_samples_are_the_boards_counts_in_microvolts(eeg: CytonEeg, board: CytonBoard) -> None:
    started(eeg, board)
    counts = np.array([[0, 1, -1, 2**23 - 1, -(2**23), 1000, -70000, 5]])
    board.send(np.repeat(counts, 3, axis=0))
    data = joined(read_samples(eeg, 3))
    np.testing.assert_allclose(data, np.repeat(counts, 3, axis=0) * COUNT_UV, rtol=1e-6)
    assert data[0, 3] == pytest.approx(187500.0)


@pytest.mark.parametrize(("gain", "code"), [(1, 0), (6, 3), (12, 5)])
def test_the_gain_is_set_on_the_board_and_scales(board: CytonBoard, gain: int, code: int) -> None:
    with CytonEeg(str(board.path), gain=gain) as driver:
        started(driver, board)
        board.send(board.ramp(4))
        data = joined(read_samples(driver, 4))
    assert board.gain_codes == [code] * 8
    assert data[1, 5] == pytest.approx(105 * 4.5e6 / gain / (2**23 - 1))


def test_says_what_it_opened(eeg: CytonEeg, board: CytonBoard) -> None:
    info = eeg.open(MonotonicClock())
    assert info.channels == ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")
    assert (info.rate_hz, info.unit, info.live) == (250.0, "uv", True)
    assert "v3.1.2" in info.device


def test_reads_the_first_channels_only_when_fewer_are_named(board: CytonBoard) -> None:
    with CytonEeg(str(board.path), channels="Fz, Cz") as driver:
        started(driver, board)
        board.send(board.ramp(3))
        data = joined(read_samples(driver, 3))
    np.testing.assert_allclose(data[2] / COUNT_UV, [200, 201], rtol=1e-6)


def test_sets_a_board_with_a_daisy_to_eight_channels(tmp_path: Path) -> None:
    with CytonBoard(tmp_path, daisy=True) as board, CytonEeg(str(board.path)) as driver:
        started(driver, board)
        assert b"c" in board.commands


def test_lost_packets_become_a_gap_and_are_counted(eeg: CytonEeg, board: CytonBoard) -> None:
    started(eeg, board)
    board.send(board.ramp(6))
    board.send(board.ramp(3), drop=5)
    chunks = read_samples(eeg, 9)
    first = next(chunk for chunk in chunks if chunk.seq >= 11)
    assert first.seq == 11
    assert first.samples[0, 0] == 0.0
    assert eeg.dropped == 5


def test_the_packet_number_wraps_without_a_loss(eeg: CytonEeg, board: CytonBoard) -> None:
    started(eeg, board)
    for _ in range(6):
        board.send(board.ramp(50))
        last = read_samples(eeg, 50)[-1]
    assert last.seq + last.n_samples == 300
    assert eeg.dropped == 0


def test_a_hole_of_whole_laps_is_told_by_time(eeg: CytonEeg, board: CytonBoard) -> None:
    clock = ManualClock()
    started(eeg, board, clock)
    board.send(board.ramp(4))
    read_samples(eeg, 4)
    clock.advance((256 + 4) / 250)
    board.send(board.ramp(4), drop=256)
    assert read_samples(eeg, 4)[0].seq == 4 + 256
    assert eeg.dropped == 256


def test_stamps_are_arrival_minus_what_came_after(eeg: CytonEeg, board: CytonBoard) -> None:
    clock = ManualClock(10_000_000_000)
    started(eeg, board, clock)
    board.send(board.ramp(4))
    chunks = read_samples(eeg, 4)
    assert chunks[-1].end_ns == 10_000_000_000


@pytest.mark.parametrize(
    "garbage", [b"\xa0", b"\x00" * 7, b"\xa0" * 40, b"\xc0\xa0" * 33, bytes(range(256))]
)
def test_falls_in_step_again_after_garbage(
    eeg: CytonEeg, board: CytonBoard, garbage: bytes
) -> None:
    started(eeg, board)
    board.send(board.ramp(5))
    board.write(garbage)
    board.send(1000 * np.ones((5, 8), dtype=np.int64))
    chunks = read_samples(eeg, 10)
    np.testing.assert_allclose(joined(chunks)[5:], 1000 * COUNT_UV, rtol=1e-6)
    assert eeg.dropped == 0


def test_a_packet_cut_short_costs_only_itself(eeg: CytonEeg, board: CytonBoard) -> None:
    started(eeg, board)
    board.send(board.ramp(3))
    board.write(packet(3, range(8))[:20])
    board.send(board.ramp(4), drop=1)
    chunks = read_samples(eeg, 7)
    assert (chunks[-1].seq + chunks[-1].n_samples, eeg.dropped) == (8, 1)


def test_packets_may_arrive_in_any_pieces() -> None:
    data = b"\x13" + b"".join(packet(i, [i] * 8, tail=0xC0 + i % 16) for i in range(300))
    for size in (7, 33, 34, 999):
        parser = PacketParser()
        pieces = [parser.feed(data[i : i + size]) for i in range(0, len(data), size)]
        rows = np.concatenate(pieces)
        np.testing.assert_array_equal(rows[:, 1], np.arange(300) % 256)
        assert to_microvolts(rows, 24)[-1, 0] == pytest.approx(299 * COUNT_UV)


def test_a_constant_that_looks_like_a_header_does_not_mislead_it() -> None:
    level = int.from_bytes(b"\xc0\xa0\x00", "big") - 2**24
    data = b"".join(packet(i, [level] * 8) for i in range(20))
    rows = PacketParser().feed(data[40:])
    np.testing.assert_array_equal(rows[:, 1], np.arange(2, 20))


def test_a_board_that_says_nothing_is_a_timeout(board: CytonBoard) -> None:
    board.silent = True
    with pytest.raises(DeviceTimeoutError, match="answered b'v'") as caught:
        CytonEeg(str(board.path), timeout_s=0.2).open(MonotonicClock())
    assert "battery" in caught.value.hint


def test_a_dongle_without_its_board_says_so(board: CytonBoard) -> None:
    board.powered = False
    with pytest.raises(DeviceTimeoutError, match="the Cyton does not"):
        CytonEeg(str(board.path)).open(MonotonicClock())


def test_something_else_on_the_port_is_no_cyton(board: CytonBoard) -> None:
    board.impostor = b"login: "
    with pytest.raises(DeviceError, match="no Cyton: it answered b'v' by b'login: ") as caught:
        CytonEeg(str(board.path), timeout_s=0.2).open(MonotonicClock())
    assert not isinstance(caught.value, DeviceTimeoutError)


def test_no_such_port_is_not_found() -> None:
    with pytest.raises(DeviceNotFoundError, match="no serial port /dev/ttyNone") as caught:
        CytonEeg("/dev/ttyNone").open(MonotonicClock())
    assert "port" in caught.value.hint


def test_a_port_in_use_is_busy(eeg: CytonEeg, board: CytonBoard) -> None:
    started(eeg, board)
    with pytest.raises(DeviceBusyError, match="another program holds"):
        CytonEeg(str(board.path)).open(MonotonicClock())
    board.send(board.ramp(4))
    assert read_samples(eeg, 4)


@pytest.mark.absent_in_ci("it runs as root")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may open any port: run the tests as a user")
def test_a_forbidden_port_tells_the_group(board: CytonBoard) -> None:
    board.path.resolve().chmod(0)
    with pytest.raises(DeviceError, match="no permission") as caught:
        CytonEeg(str(board.path)).open(MonotonicClock())
    assert "dialout" in caught.value.hint


def test_unplugged_is_lost_and_plugged_in_again_it_streams(
    eeg: CytonEeg, board: CytonBoard
) -> None:
    started(eeg, board)
    board.send(board.ramp(4))
    read_samples(eeg, 4)
    board.unplug()
    with pytest.raises(DeviceLostError):
        eeg.read(5.0)
    with pytest.raises(DeviceNotFoundError):
        eeg.open(MonotonicClock())
    board.plug()
    started(eeg, board)
    board.send(board.ramp(4))
    chunks = read_samples(eeg, 4)
    assert chunks[0].seq == 0
    assert eeg.dropped == 0


def test_silence_is_a_timeout_first_and_a_loss_later(eeg: CytonEeg, board: CytonBoard) -> None:
    clock = ManualClock()
    started(eeg, board, clock)
    clock.advance(1.9)
    with pytest.raises(DeviceTimeoutError):
        eeg.read(0.0)
    board.send(board.ramp(4))
    read_samples(eeg, 4)
    clock.advance(1.9)
    with pytest.raises(DeviceTimeoutError):
        eeg.read(0.0)
    clock.advance(0.2)
    with pytest.raises(DeviceLostError, match=r"sent nothing for 2\.0 s"):
        eeg.read(0.0)


def test_garbage_alone_is_silence(eeg: CytonEeg, board: CytonBoard) -> None:
    clock = ManualClock()
    started(eeg, board, clock)
    clock.advance(2.1)
    board.write(b"\x55" * 200)
    with pytest.raises(DeviceLostError):
        eeg.read(1.0)


def test_closing_ends_a_read_that_waits_and_stops_the_board(
    eeg: CytonEeg, board: CytonBoard
) -> None:
    started(eeg, board)
    assert isinstance(end_of_read(eeg), ClosedError)
    assert board.stopped.wait(5.0)


@pytest.mark.parametrize("channels", ["", "A,,B", "A,A", "1,2,3,4,5,6,7,8,9"])
def test_refuses_channel_names_it_cannot_use(channels: str) -> None:
    with pytest.raises(ConfigError, match="1 to 8 different names"):
        CytonEeg(channels=channels)


def test_refuses_a_gain_that_the_board_does_not_have() -> None:
    with pytest.raises(ConfigError, match="1, 2, 4, 6, 8, 12, 24"):
        CytonEeg(gain=3)


def test_lists_only_openbci_dongles(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = []
    for path, usb_id in (("S0", (None, None)), ("USB0", (0x0403, 0x6015)), ("USB1", (0x2341, 1))):
        port = types.SimpleNamespace(device=f"/dev/tty{path}", serial_number=None, description="-")
        port.vid, port.pid = usb_id
        ports.append(port)
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
    assert [entry.address for entry in CytonEeg.devices()] == ["cyton:/dev/ttyUSB0"]


def test_without_pyserial_it_names_the_line_that_installs_it() -> None:
    script = (
        "import sys; sys.modules['serial'] = None\n"
        "from edge_emo.clock import MonotonicClock\n"
        "from edge_emo.drivers.eeg.cyton import CytonEeg\n"
        "from edge_emo.errors import UnavailableError\n"
        "try: CytonEeg().open(MonotonicClock())\n"
        "except UnavailableError as error: print(error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "pip install 'edge-emo[bridge]'"
