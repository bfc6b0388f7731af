from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from edge_emo.recording import Recording

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from edge_emo.clock import ManualClock
from edge_emo.errors import RecordingError
from edge_emo.recording import Writer
from edge_emo.types import Chunk, StreamInfo
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
info = StreamInfo("eeg", 250.0, ("C3",), "uv", "a board")
writer = Writer(Path(sys.argv[1]), {"eeg": info}, ManualClock(), raw=True)
writer.open()
try:
    for i in range(2000):
        writer.chunk(Chunk("eeg", i * 10, i * 40_000_000, 250.0, np.ones((10, 1), np.float32)))
    writer.close()
except RecordingError as error:
    print(error, "/", error.hint)
"""


def python(script: str, folder: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs Linux file size limits")
def test_a_full_disk_is_an_error_for_the_caller(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    with python(FULL_DISK, folder) as process:
        told, _ = process.communicate(timeout=60)
    assert "eeg.csv cannot be written: File too large" in told
    assert "free space" in told
    recording = Recording(folder)
    assert not recording.header.closed
    chunks = list(recording.chunks("eeg"))
    assert len(chunks) > 100
    assert [chunk.seq for chunk in chunks] == [i * 10 for i in range(len(chunks))]


CRASH = """
import itertools, sys, threading
from pathlib import Path
import numpy as np
from edge_emo.clock import MonotonicClock
from edge_emo.recording import Writer
from edge_emo.types import Chunk, EmotionState, StreamInfo
streams = {
    "eeg": StreamInfo("eeg", 250.0, ("C3",), "uv", "a board"),
    "microphone": StreamInfo("microphone", 16000.0, ("mono",), "full-scale", "a mic"),
    "camera": StreamInfo("camera", 30.0, (), "rgb8", "a camera"),
}
clock = MonotonicClock()
writer = Writer(Path(sys.argv[1]), streams, clock, raw=True)
writer.open()
for i in itertools.count():
    clock.wait_until_ns(i * 40_000_000, threading.Event())
    t_ns = clock.now_ns()
    writer.chunk(Chunk("eeg", i * 10, t_ns, 250.0, np.full((10, 1), i, np.float32)))
    writer.chunk(Chunk("microphone", i * 640, t_ns, 16000.0, np.zeros((640, 1), np.float32)))
    writer.chunk(Chunk("camera", i, t_ns, 30.0, np.full((48, 64, 3), i % 250, np.uint8)))
    writer.state(EmotionState(t_ns, i, 0, None, None, None))
    print(t_ns, flush=True)
"""


def test_a_killed_recorder_loses_at_most_the_last_second(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    with python(CRASH, folder) as process:
        assert process.stdout is not None
        written_ns = 0
        while written_ns < 2_500_000_000:
            written_ns = int(process.stdout.readline())
        process.kill()
        rest = process.stdout.read().split()
    written_ns = int(rest[-1]) if rest else written_ns
    recording = Recording(folder)
    assert not recording.header.closed
    assert set(recording.raw_kinds) == {"eeg", "microphone", "camera"}
    for kind in recording.raw_kinds:
        chunks = list(recording.chunks(kind))
        assert chunks[-1].t_ns > written_ns - 1_200_000_000
        assert [c.seq for c in chunks] == [i * chunks[0].n_samples for i in range(len(chunks))]
    states = list(recording.states())
    assert states[-1].t_ns > written_ns - 1_200_000_000
