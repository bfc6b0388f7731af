"""What runs for a year: memory does not grow with time, and sessions leave nothing behind."""

from __future__ import annotations

import os
import threading
import wave
from pathlib import Path

import cv2
import numpy as np

from edge_emo import Config, Pipeline
from edge_emo.config import States, Streams

PAGE = os.sysconf("SC_PAGE_SIZE")
WARM_S, END_S = 60, 240


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE / 1e6


def sound(path: Path) -> str:
    rng = np.random.default_rng(0)
    t = np.arange(16000 * END_S) / 16000
    voiced = 0.3 * np.sin(2 * np.pi * 180 * t) * (np.sin(2 * np.pi * 0.3 * t) > 0)
    samples = (voiced + 0.01 * rng.standard_normal(len(t))) * 20000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.astype("<i2").tobytes())
    return f"wav:{path}"


def pictures(path: Path) -> str:
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (320, 240))
    for number in range(5 * END_S):
        out.write(np.full((240, 320, 3), number % 200, np.uint8))
    out.release()
    return f"opencv:{path}"


def brain(path: Path) -> str:
    data = np.random.default_rng(1).normal(0, 10, (250 * END_S, 4)).astype(np.float32)
    np.savez(path, data=data, rate_hz=250.0, channels=["Fp1", "Fp2", "O1", "O2"])
    return f"npz:{path}"


def test_memory_does_not_grow_with_the_length_of_a_session(tmp_path: Path) -> None:
    streams = Streams(
        camera=pictures(tmp_path / "v.avi"),
        microphone=sound(tmp_path / "a.wav"),
        eeg=brain(tmp_path / "e.npz"),
    )
    config = Config(streams=streams, states=States(join="reproducible"))
    before_mb = 0.0
    with Pipeline(config=config, sinks=[f"record:{tmp_path / 'session'}"]) as pipeline:
        for state in pipeline:
            if not before_mb and state.t_ns > WARM_S * 1e9:
                before_mb = resident_mb()
        after_mb = resident_mb()
    assert state.t_ns > (END_S - 2) * 1e9
    assert after_mb - before_mb < 4.0


def test_a_session_leaves_no_thread_and_no_open_file() -> None:
    def once() -> int:
        before = set(threading.enumerate())
        with Pipeline(camera="virtual:", microphone="virtual:", eeg="virtual:") as pipeline:
            next(iter(pipeline))
        for thread in set(threading.enumerate()) - before:
            thread.join(10.0)
            assert not thread.is_alive()
        return len(list(Path("/proc/self/fd").iterdir()))

    first = once()
    assert [once() for _ in range(4)] == [first] * 4
