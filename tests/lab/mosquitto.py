"""A real broker, Eclipse Mosquitto, on a free port of this machine and with no file but its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

INSTALL = "sudo apt-get install --no-install-recommends mosquitto"
"""The command that brings what these tests need."""

PROGRAM = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Mosquitto:
    """A running broker.

    Args:
        folder: Empty; its configuration goes there.
        login: Name and password that every client must give; None for a broker that asks nobody.
        tls: Certificate and key; None for clear text.
    """

    def __init__(
        self,
        folder: Path,
        login: tuple[str, str] | None = None,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.port = _free_port()
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "user root"]
        lines += _ask_for(folder / "passwords", *login) if login else ["allow_anonymous true"]
        lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"] if tls else []
        self._config.write_text("\n".join(lines) + "\n")
        self.come_back()

    def come_back(self) -> None:
        """Start it, at the same port as before."""
        assert PROGRAM
        command = [PROGRAM, "-c", str(self._config)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        pause = threading.Event()
        for _ in range(400):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            assert self._process.poll() is None, "mosquitto ended"
            pause.wait(0.025)
        raise AssertionError("mosquitto does not listen")

    def die(self) -> None:
        """Kill it, as a crash would."""
        self._process.kill()
        self._process.wait(10)


def _ask_for(file: Path, name: str, password: str) -> list[str]:
    program = shutil.which("mosquitto_passwd") or "mosquitto_passwd"
    subprocess.run([program, "-b", "-c", str(file), name, password], check=True)
    return ["allow_anonymous false", f"password_file {file}"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
