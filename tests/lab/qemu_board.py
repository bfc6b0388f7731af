"""The Cortex-M3 firmware of ``firmware_bridge/examples/mps2-an385`` in an emulated machine."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "firmware_bridge" / "examples" / "mps2-an385"
INSTALL = (
    "sudo apt-get install --no-install-recommends make gcc-arm-none-eabi "
    "libnewlib-arm-none-eabi qemu-system-arm"
)
"""The command that brings what these tests need."""

_TEXT = re.compile(r"^\s+(\d+)\s+(\d+)\s+(\d+)\s", re.MULTILINE)


def missing() -> str:
    """Return the reason to skip, with the command that mends it; empty when all is there."""
    programs = ("make", "arm-none-eabi-gcc", "qemu-system-arm")
    absent = [name for name in programs if shutil.which(name) is None]
    return f"needs {', '.join(absent)}: {INSTALL}" if absent else ""


def build(folder: Path) -> Path:
    """Compile the firmware; return the file that the machine runs."""
    subprocess.run(
        ["make", "-s", "-C", str(EXAMPLE), f"BUILD={folder}"], check=True, timeout=100
    )  # fmt: skip
    return folder / "firmware.elf"


class QemuBoard:
    """One board.

    Args:
        firmware: File that it runs.
        link: When given, the serial port is a pseudo-terminal and this is a link to it, which
            stays when the board is unplugged and plugged in again; else it is a TCP port.
    """

    def __init__(self, firmware: Path, link: Path | None = None) -> None:
        self._firmware = firmware
        self._link = link
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory()
        self.target = str(link) if link else f"socket://127.0.0.1:{_free_port()}"

    def __enter__(self) -> QemuBoard:
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()
        self._folder.cleanup()

    def plug(self) -> None:
        """Switch the board on; its port is there when this returns."""
        port = self.target.rpartition(":")[2]
        serial = "pty" if self._link else f"tcp:127.0.0.1:{port},server=on,wait=off,nodelay=on"
        command = ["qemu-system-arm", "-M", "mps2-an385", "-display", "none"]
        monitor = f"unix:{self._folder.name}/monitor,server=on,wait=off"
        self._process = subprocess.Popen(
            [*command, "-monitor", monitor, "-serial", serial, "-kernel", str(self._firmware)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if self._link:
            self._make_link(self._link)
        else:
            _wait_for_port(int(port))

    def unplug(self) -> None:
        """Cut its power; the port is gone when this returns."""
        if self._process is None:
            return
        if self._link:
            self._link.unlink(missing_ok=True)
        self._process.kill()
        self._process.communicate()
        self._process = None

    def memory(self, address: int, length: int) -> bytes:
        """Return what lies in the board's memory."""
        path = Path(self._folder.name) / "memory"
        command = f'pmemsave {address} {length} "{path}"\n'
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(f"{self._folder.name}/monitor")
            monitor.sendall(command.encode())
            told = b""
            while told.count(b"(qemu)") < 2:  # one prompt before the command, one after it
                told += monitor.recv(4096)
        return path.read_bytes()

    def _make_link(self, link: Path) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        found = re.search(r"/dev/pts/\d+", self._process.stdout.readline())
        assert found, "the machine did not start"
        link.symlink_to(found[0])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int) -> None:
    """Wait until the machine listens, without connecting: it takes one connection at a time."""
    line = f":{port:04X} 00000000:0000 0A"  # local address, no peer, state LISTEN
    for _ in range(200):
        if line in Path("/proc/net/tcp").read_text():
            return
        subprocess.run(["true"], check=True)  # lets the machine run, for a millisecond or so
    raise AssertionError("the machine did not start")
