"""The Arduino sketches on this machine: what they show and send when something fails."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest
from bridge.c_library import ROOT, SOURCE

from edge_emo.bridge.framing import FrameParser, pack
from edge_emo.bridge.schema import WireMessage, message, parse

HERE = Path(__file__).parent
SKETCHES = ROOT / "firmware_bridge" / "examples" / "arduino"
UNKNOWN = 10
"""The red of the dim white that shows that nothing is known."""

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None, reason="needs g++: sudo apt-get install g++"
)


class Sketch:
    """One sketch, built for this machine; time passes by a millisecond at a time."""

    def __init__(self, name: str, objects: list[Path], folder: Path) -> None:
        include = [f"-I{path}" for path in (SOURCE, HERE / "arduino", HERE / "arduino/core")]
        sketch = f'-DSKETCH="{SKETCHES / name / name}.ino"'
        shared = folder / f"{name}.so"
        compile_by("g++", "-shared", *include, sketch, HERE / "sketch.cpp", *objects, "-o", shared)
        self.lib = ctypes.CDLL(str(shared))
        self.lib.sketch_take.restype = ctypes.c_size_t
        self.sequence = 0
        self._parser = FrameParser()
        self._buffer = ctypes.create_string_buffer(1 << 20)
        self.lib.sketch_setup()
        self.say("host_hello", session=7)

    def say(self, body: str, **fields: object) -> None:
        """Send a message, and let the board read it."""
        self.sequence += 1
        data = pack(message(body, **fields).SerializeToString(), self.sequence)
        self.lib.sketch_feed(data, ctypes.c_size_t(len(data)))
        self.run(5)

    def run(self, milliseconds: int) -> None:
        for _ in range(milliseconds):
            self.lib.sketch_loop(1000)

    def heard(self, body: str) -> list[WireMessage]:
        """Return the messages of a kind that the board sent since it was last asked."""
        length = self.lib.sketch_take(self._buffer)
        wires = [parse(frame.payload) for frame in self._parser.feed(self._buffer.raw[:length])]
        return [getattr(wire, body) for wire in wires if wire.WhichOneof("body") == body]


def compile_by(*words: str | Path) -> None:
    program, *rest = (str(word) for word in words)
    subprocess.run([program, "-fPIC", "-O0", f"-I{SOURCE}", *rest], check=True, timeout=100)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the C library, built for this machine."""
    made = []
    for source in sorted(SOURCE.glob("*.c")):
        made.append(tmp_path_factory.getbasetemp() / f"{source.stem}.o")
        compile_by("gcc", "-c", source, "-o", made[-1])
    return made


@pytest.fixture
def ring(objects: list[Path], tmp_path: Path) -> Sketch:
    return Sketch("EmotionRing", objects, tmp_path)


@pytest.fixture
def pulse(objects: list[Path], tmp_path: Path) -> Sketch:
    sketch = Sketch("PulseAndSkin", objects, tmp_path)
    sketch.say("config", active_streams=1)
    return sketch


def show(ring: Sketch, **fields: object) -> bool:
    """Send a state; tell whether the ring takes it for known."""
    affect = message("state").state.expressed
    affect.valence, affect.arousal = 500, 200
    ring.say("state", expressed=affect, **fields)
    return bool(ring.lib.sketch_colour() != UNKNOWN)


def test_the_ring_shows_a_state_for_half_a_second(ring: Sketch) -> None:
    assert show(ring)
    ring.run(450)
    assert ring.lib.sketch_colour() != UNKNOWN
    ring.run(100)
    assert ring.lib.sketch_colour() == UNKNOWN


def test_the_ring_does_not_show_a_state_of_long_ago(ring: Sketch) -> None:
    assert show(ring, age_ms=2000)
    assert not show(ring, age_ms=2001)
    assert not show(ring, age_ms=2**32 - 1)


def test_the_ring_shows_nothing_once_the_host_is_gone(ring: Sketch) -> None:
    assert show(ring)
    ring.say("goodbye")
    assert ring.lib.sketch_colour() == UNKNOWN


def test_a_sensor_that_fails_once_comes_back(pulse: Sketch) -> None:
    pulse.run(100)
    assert pulse.heard("samples")
    assert not pulse.heard("error")
    pulse.lib.sketch_sensor(0)
    pulse.run(50)
    (error,) = pulse.heard("error")
    assert (error.code, error.text) == (5, "MAX30102 does not answer")
    pulse.lib.sketch_sensor(1)
    pulse.run(1100)
    pulse.lib.sketch_sensor(0)
    pulse.run(50)
    assert len(pulse.heard("error")) == 1


def test_a_sensor_that_fails_while_the_line_is_full_is_told(pulse: Sketch) -> None:
    pulse.lib.sketch_room(0)
    pulse.run(150)
    pulse.lib.sketch_sensor(0)
    pulse.run(50)
    pulse.lib.sketch_room(1 << 20)
    pulse.run(50)
    assert len(pulse.heard("error")) == 1


def test_a_sensor_that_never_answered_is_told_to_every_host(pulse: Sketch) -> None:
    pulse.lib.sketch_sensor(0)
    pulse.run(50)
    assert len(pulse.heard("error")) == 1
    pulse.say("goodbye")
    pulse.say("host_hello", session=8)
    pulse.run(50)
    assert len(pulse.heard("error")) == 1


def test_a_sensor_that_restarted_and_measures_nothing_is_told_and_begun_anew(
    pulse: Sketch,
) -> None:
    pulse.run(100)
    pulse.lib.sketch_sensor(2)  # it answers, and has nothing new
    pulse.run(150)
    assert not pulse.heard("error")
    pulse.run(100)
    assert len(pulse.heard("error")) == 1
    pulse.lib.sketch_sensor(1)
    pulse.run(1100)
    pulse.lib.sketch_sensor(0)
    pulse.run(50)
    assert len(pulse.heard("error")) == 1


def test_a_sensor_that_never_answered_is_told_to_a_host_that_took_the_place_of_another(
    pulse: Sketch,
) -> None:
    pulse.lib.sketch_sensor(0)
    pulse.run(50)
    assert len(pulse.heard("error")) == 1
    pulse.say("host_hello", session=8)
    pulse.run(50)
    assert len(pulse.heard("error")) == 1
