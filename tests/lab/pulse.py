"""An emulated microphone: a private PulseAudio daemon that PortAudio reaches through ALSA.

Nothing of the system's own sound set-up is read or changed. The daemon has its own run-time
folder and socket; ALSA finds it through ``ALSA_CONFIG_PATH``. A null sink is the loudspeaker
and its monitor, remapped, is the microphone, so what is played comes back sample for sample.
A second microphone, ``pipe_mic``, reads a named pipe and is silent until somebody writes to it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

INSTALL = (
    "sudo apt-get install --no-install-recommends pulseaudio pulseaudio-utils libasound2-plugins "
    "portaudio19-dev gcc && pip install pyaudio"
)
"""The command that brings what these tests need."""

_ASOUND = """</usr/share/alsa/alsa.conf>
pcm.!default {{ type pulse server "unix:{socket}" device "edge_mic" }}
pcm.edge_mic {{ type pulse server "unix:{socket}" device "edge_mic"
  hint {{ show on description "emulated microphone" }} }}
pcm.pipe_mic {{ type pulse server "unix:{socket}" device "pipe_mic"
  hint {{ show on description "emulated microphone fed by a pipe" }} }}
"""


def missing() -> str:
    """Return the reason to skip, with the command that mends it; empty when all is there."""
    programs = ("pulseaudio", "pactl", "pacat", "parec")
    absent = [name for name in programs if shutil.which(name) is None]
    try:
        import pyaudio  # noqa: F401
    except ImportError:
        absent.append("pyaudio")
    return f"needs {', '.join(absent)}: {INSTALL}" if absent else ""


class PulseMicrophone:
    """A running emulated microphone."""

    def __init__(self, folder: Path, rate_hz: int) -> None:
        self.folder = folder
        self.rate_hz = rate_hz
        self.socket = folder / "pa.sock"
        self.config = folder / "asound.conf"
        self._children: list[subprocess.Popen[bytes]] = []
        self._remap = ""

    def start(self) -> None:
        """Start the daemon, both sources, and a player of silence that keeps the sink awake."""
        self.config.write_text(_ASOUND.format(socket=self.socket), encoding="ascii")
        self.daemon = self._spawn(self._daemon_command())
        self._wait_for_daemon()
        self.add_source()
        self._prime()

    def play(self, samples: npt.NDArray[np.int16]) -> None:
        """Play samples into the microphone; returns when the daemon has taken them all."""
        path = self.folder / "play.raw"
        samples.astype("<i2").tofile(path)
        subprocess.run(
            self._pacat(str(path), latency_ms=200), check=True, timeout=30, env=self._environment()
        )

    def add_source(self) -> None:
        """Plug the microphone in."""
        done = self.pactl(
            "load-module", "module-remap-source", "master=vmic.monitor", "source_name=edge_mic"
        )
        self._remap = done.strip()

    def remove_source(self) -> None:
        """Unplug the microphone."""
        self.pactl("unload-module", self._remap)

    def suspend_source(self, suspend: bool) -> None:
        """Suspend or resume the microphone."""
        self.pactl("suspend-source", "edge_mic", "1" if suspend else "0")

    def kill(self) -> None:
        """Kill the daemon, as a crash would."""
        self.daemon.kill()
        self.daemon.wait(10)

    def pactl(self, *words: str) -> str:
        """Run ``pactl`` against the private daemon and return what it prints."""
        command = ["pactl", "-s", f"unix:{self.socket}", *words]
        return subprocess.run(
            command, check=True, timeout=20, text=True, capture_output=True, env=self._environment()
        ).stdout

    def stop(self) -> None:
        """End every process that was started here."""
        for child in reversed(self._children):
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait(10)

    def _daemon_command(self) -> list[str]:
        rate = f"rate={self.rate_hz} channels=1 format=s16le"
        modules = [
            f"module-native-protocol-unix socket={self.socket} auth-anonymous=1",
            f"module-null-sink sink_name=vmic {rate}",
            f"module-pipe-source source_name=pipe_mic file={self.folder / 'pipe_mic.fifo'} {rate}",
        ]
        options = (
            "-n --daemonize=no --exit-idle-time=-1 --use-pid-file=no --disable-shm=yes "
            "--high-priority=no --realtime=no"
        )
        return ["pulseaudio", *options.split(), *(w for m in modules for w in ("-L", m))]

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        null = subprocess.DEVNULL
        child = subprocess.Popen(
            command, stdin=null, stdout=null, stderr=null, env=self._environment()
        )
        self._children.append(child)
        return child

    def _wait_for_daemon(self) -> None:
        pause = threading.Event()
        for _ in range(200):
            if self.socket.exists():
                return
            if self.daemon.poll() is not None:
                break
            pause.wait(0.05)
        raise RuntimeError("the private PulseAudio daemon did not start")

    def _prime(self) -> None:
        # An idle null sink has two seconds of latency; a player keeps it at 20 ms. What was
        # recorded first proves that sound flows.
        self._spawn(self._pacat("/dev/zero", latency_ms=20))
        command = ["parec", "-s", f"unix:{self.socket}", "-d", "edge_mic", "--latency-msec=20"]
        recorder = subprocess.Popen(command, stdout=subprocess.PIPE, env=self._environment())
        with recorder:
            assert recorder.stdout
            recorder.stdout.read(8000)
            recorder.kill()

    def _pacat(self, path: str, latency_ms: int) -> list[str]:
        shape = (
            f"--rate={self.rate_hz} --channels=1 --format=s16le --raw --latency-msec={latency_ms}"
        )
        return [
            "pacat",
            "-s",
            f"unix:{self.socket}",
            "--playback",
            f"--latency-msec={latency_ms}",
            *shape.split(),
            "-d",
            "vmic",
            path,
        ]

    def _environment(self) -> dict[str, str]:
        own = {
            "HOME": str(self.folder),
            "PULSE_RUNTIME_PATH": str(self.folder / "run"),
            "PULSE_STATE_PATH": str(self.folder / "state"),
        }
        return {**os.environ, **own}


@contextmanager
def pulse_microphone(rate_hz: int = 16000) -> Iterator[PulseMicrophone]:
    """Run an emulated microphone; ALSA in this process sees it until the block ends.

    ALSA reads ``ALSA_CONFIG_PATH`` whenever PortAudio starts with no stream open, so drivers
    have to be opened inside the block.
    """
    # A short path: the name of a Unix socket holds 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="mic-"))
    microphone = PulseMicrophone(folder, rate_hz)
    before = os.environ.get("ALSA_CONFIG_PATH")
    os.environ["ALSA_CONFIG_PATH"] = str(microphone.config)
    try:
        microphone.start()
        yield microphone
    finally:
        microphone.stop()
        _restore("ALSA_CONFIG_PATH", before)
        shutil.rmtree(folder, ignore_errors=True)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
