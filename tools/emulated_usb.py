"""Pulls a USB serial board out of an emulated 64-bit Arm machine, and puts it back.

Two machines run in QEMU: the Cortex-M3 firmware, and the Debian of ``tools/vm`` with the kernel's
own USB and FTDI drivers, in which sink and driver of edge_emo use the firmware's port by its USB
serial number::

    sudo env PYTHONPATH=.:tests python tools/emulated_usb.py

Emulated speed says nothing about a real board, but what the kernel does when a port vanishes is
real.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab.qemu_board import QemuBoard
from lab.qemu_board import build as build_firmware
from lab.qemu_board import missing as missing_firmware

from tools.vm import image, wheels
from tools.vm.machine import VIRT, started

ROUNDS = 3
SERIAL = "EDGE0001"
LIMIT_S = 600.0


def main() -> int:
    """Build what is missing, run both machines, print what the guest says."""
    reason = missing_firmware() or image.missing()
    if reason:
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = folder / "files"
        wheels.install_wheel(wheels.build_wheel(folder / "dist"), files / "site")
        shutil.copy(image.HERE / "guest/usb.py", files)
        with QemuBoard(build_firmware(folder / "firmware")) as board:
            return run(files, int(board.target.rpartition(":")[2]), folder / "monitor")


def run(files: Path, port: int, monitor: Path) -> int:
    """Run the machine; obey the guest's wishes to be unplugged and plugged in."""
    usb = [
        "-monitor", f"unix:{monitor},server=on,wait=off", "-device", "qemu-xhci,id=xhci",
        "-chardev", f"socket,id=fw,host=127.0.0.1,port={port},reconnect=1",
        "-device", f"usb-serial,id=board0,chardev=fw,serial={SERIAL}",
    ]  # fmt: skip
    modules = "modprobe -a xhci-pci ftdi_sio"
    steps = {"usb": f"{modules} && python3 usb.py {ROUNDS} {SERIAL} > /dev/console"}
    with started(image.ensure_image(), VIRT, steps, files, LIMIT_S, usb) as console:
        return 0 if obey(console, monitor) else 1


def obey(console: Iterator[str], monitor: Path) -> bool:
    """Print what the guest says; return whether it came to the end."""
    plugged = 0
    for raw in console:
        line = raw.strip()
        print(line, flush=True)
        if line == "unplug":
            tell(monitor, f"device_del board{plugged}")
        elif line == "plug":
            plugged += 1
            tell(monitor, f"device_add usb-serial,id=board{plugged},chardev=fw,serial={SERIAL}")
        elif line == "done":
            return True
    return False


def tell(monitor: Path, command: str) -> None:
    """Give the machine's monitor a command."""
    with socket.socket(socket.AF_UNIX) as line, contextlib.suppress(TimeoutError):
        line.settimeout(0.5)
        line.connect(str(monitor))
        line.sendall(f"{command}\n".encode())
        while line.recv(4096):
            pass


if __name__ == "__main__":
    sys.exit(main())
