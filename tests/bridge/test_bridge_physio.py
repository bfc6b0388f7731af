"""A board's pulse, skin conductance and temperature, as far as the estimate of stress."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.bridge.device import Identity, SoftwareDevice
from edge_emo.bridge.messages import SensorStream
from edge_emo.clock import MonotonicClock
from edge_emo.drivers.physio.bridge import BridgePhysio
from edge_emo.drivers.virtual_signals import body_signals
from edge_emo.estimators.physio import PhysioEstimator
from edge_emo.manifest import find_package
from edge_emo.runtime.choose import load_model
from edge_emo.types import Chunk, Prediction, StreamInfo

RATE_HZ = 64.0
SECONDS = 40
SCALES = np.array([0.01, 0.001, 0.01])
CHANNELS = ("bvp", "eda", "temp")
BLOCK = 10


class FastBoard:
    """A board on a socket that measures the same stretch over and over, faster than it passes.

    Its samples are stamped as if they had been taken at the stream's rate; the first one has the
    number ``begin``.
    """

    def __init__(
        self, data: npt.NDArray[np.float32], channels: tuple[str, ...], begin: int = 0
    ) -> None:
        self._begin = begin
        columns = [CHANNELS.index(name) for name in channels]
        scales = SCALES[columns]
        self._counts = np.rint(data[:, columns] / scales).astype(int)
        units = tuple(("", "uS", "degC")[column] for column in columns)
        stream = SensorStream(
            0, "body", RATE_HZ, channels, units, tuple(scales.tolist()), (0.0,) * len(channels)
        )
        self._device = SoftwareDevice(Identity(streams=(stream,)))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._begin_us = now_us()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.target = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> FastBoard:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10.0)
        self._listener.close()

    def _serve(self) -> None:
        self._listener.settimeout(10.0)
        line, _ = self._listener.accept()
        line.settimeout(0.002)
        first = 0
        with line, contextlib.suppress(ConnectionError):
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    self._device.receive(line.recv(4096), now_us())
                self._device.poll(now_us())
                first += self._measure(first)
                line.sendall(self._device.take_output())

    def _measure(self, first: int) -> int:
        rows = np.arange(first, first + BLOCK) % len(self._counts)
        t_us = self._begin_us + round(first * 1e6 / RATE_HZ)
        counts = self._counts[rows].ravel().tolist()
        is_wanted = self._device.samples(0, self._begin + first, t_us, counts)
        return BLOCK if is_wanted else 0


def now_us() -> int:
    return time.monotonic_ns() // 1000


def read_all(board: FastBoard) -> tuple[StreamInfo, list[Chunk]]:
    chunks: list[Chunk] = []
    with BridgePhysio(board.target) as driver:
        info = driver.open(MonotonicClock())
        while not chunks or chunks[-1].seq + chunks[-1].n_samples < SECONDS * RATE_HZ:
            chunk = driver.read(10.0)
            if chunk is not None:
                chunks.append(chunk)
        assert driver.dropped == 0
    return info, chunks


@pytest.fixture
def estimator() -> Iterator[PhysioEstimator]:
    package = find_package("physio")
    made = PhysioEstimator(package, load_model(package), MonotonicClock())
    yield made
    made.close()


def estimates(
    estimator: PhysioEstimator, info: StreamInfo, chunks: list[Chunk]
) -> list[Prediction]:
    estimator.start(info)
    ready = [one for chunk in chunks for one in estimator.features(chunk)]
    return [estimator.predict(one) for one in ready]


@pytest.mark.parametrize("channels", [CHANNELS, ("temp", "eda", "bvp"), ("bvp", "eda"), ("bvp",)])
def test_a_boards_pulse_and_skin_are_estimated(
    estimator: PhysioEstimator, channels: tuple[str, ...]
) -> None:
    data = body_signals(5, round(SECONDS * RATE_HZ), RATE_HZ, 70.0, 4.0)
    with FastBoard(data, channels) as board:
        info, chunks = read_all(board)
    made = estimates(estimator, info, chunks)
    assert info.channels == channels
    assert [one.duration_ns // 10**9 for one in made] == [30, 40]
    for one in made:
        assert one.abstained is None
        assert one.posterior is not None
        assert set(one.channels) == set(channels)
        assert min(one.channels.values()) > 0.8


def test_the_boards_counts_give_the_estimate_of_the_signal_itself(
    estimator: PhysioEstimator,
) -> None:
    data = body_signals(6, round(SECONDS * RATE_HZ), RATE_HZ, 84.0, 6.0)
    with FastBoard(data, CHANNELS) as board:
        info, chunks = read_all(board)
    first = np.abs(data - chunks[0].samples[0]).sum(axis=1).argmin()
    straight = [Chunk("physio", 0, 0, RATE_HZ, np.roll(data, -first, axis=0))]
    told, direct = estimates(estimator, info, chunks), estimates(estimator, info, straight)
    assert told[-1].posterior is not None
    assert direct[-1].posterior is not None
    assert told[-1].posterior["stress"] == pytest.approx(direct[-1].posterior["stress"], abs=0.03)


def test_a_sensor_that_is_not_worn_ends_in_a_reason(estimator: PhysioEstimator) -> None:
    data = np.zeros((round(SECONDS * RATE_HZ), 3), np.float32)
    with FastBoard(data, ("bvp", "eda")) as board:
        info, chunks = read_all(board)
    made = estimates(estimator, info, chunks)
    assert made
    assert [one.posterior for one in made] == [None] * len(made)
    assert all((one.abstained or "").startswith("no body signal: bvp ") for one in made)


def test_samples_go_on_when_their_numbers_wrap() -> None:
    data = np.arange(3 * SECONDS * 64, dtype=np.float32).reshape(-1, 3)
    with FastBoard(data, ("bvp",), 2**32 - 2000) as board:
        _, chunks = read_all(board)
    assert [chunk.seq for chunk in chunks] == list(range(0, len(chunks) * BLOCK, BLOCK))
