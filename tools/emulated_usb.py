"""Pulls a USB serial board out of an emulated 64-bit Arm machine, and puts it back.

Two machines run in QEMU: the Cortex-M3 firmware, and a Debian with the kernel's own USB and FTDI
drivers, in which sink and driver of edge_emo use the firmware's port by its USB serial number::

    sudo apt-get install qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi \
      mmdebstrap arch-test cpio kmod e2fsprogs
    sudo env PYTHONPATH=.:tests python tools/emulated_usb.py /var/tmp/edge-emo-usb

The folder keeps the machine's disk (0.8 GB) for the next run. Emulated speed says nothing about a
real board, but what the kernel does when a port vanishes is real.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lab.qemu_board import QemuBoard
from lab.qemu_board import build as build_firmware

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 3
SERIAL = "EDGE0001"
PACKAGES = (
    "bash,coreutils,util-linux,mount,grep,sed,dash,libc-bin,libc6,kmod,python3,python3-minimal,"
    "procps,linux-image-arm64,busybox-static,libgcc-s1,libstdc++6,zlib1g"
)
PLATFORMS = ("manylinux_2_17", "manylinux_2_27", "manylinux_2_28", "manylinux2014")
DISK_MODULES = ("virtio_mmio", "virtio_pci", "virtio_blk", "ext4")

INITRD = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in $(cat /order); do insmod /$module; done
mount -t ext4 /dev/vda /root
exec switch_root /root /guest.sh
"""

GUEST_SHELL = """#!/bin/bash
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in xhci-pci ftdi_sio; do modprobe $module; done
cd /opt && PYTHONPATH=/opt/site:/opt/edge /usr/bin/python3.11 guest.py {rounds} {serial}
echo s > /proc/sysrq-trigger; echo o > /proc/sysrq-trigger; sleep 9
"""

GUEST = """
import pathlib, queue, sys, threading
from edge_emo.bridge.link import acquire
from edge_emo.bridge.messages import Acknowledged, LinkChange
from edge_emo.clock import MonotonicClock
from edge_emo.drivers.physio.bridge import BridgePhysio
from edge_emo.errors import DeviceError
from edge_emo.sinks.bridge import BridgeSink
from edge_emo.types import EmotionState

rounds, target = int(sys.argv[1]), "usb:" + sys.argv[2]
clock, stop, heard = MonotonicClock(), threading.Event(), queue.Queue()
ports = lambda: sorted(str(path) for path in pathlib.Path("/dev").glob("ttyUSB*"))
while not ports():
    stop.wait(0.1)
sink, driver = BridgeSink(target, timeout_s=20.0), BridgePhysio(target)
sink.open({}, clock)
print("info:", driver.open(clock).device, flush=True)
acquire(target, clock).listen(heard.put)

def states():
    seq = 0
    while not stop.wait(0.05):
        sink.state(EmotionState(clock.now_ns(), seq, 0, None, None, None))
        seq += 1

def next_of(kind, test=lambda event: True):
    while True:
        event = heard.get(timeout=60)
        if isinstance(event, kind) and test(event):
            return event

threading.Thread(target=states, daemon=True).start()
for number in range(rounds):
    next_of(Acknowledged)
    print("samples:", driver.read(5.0).n_samples, "on", *ports(), flush=True)
    print("unplug", flush=True)
    lost = next_of(LinkChange, lambda event: not event.up)
    try:
        while True:
            driver.read(1.0)
    except DeviceError as error:
        print("lost:", type(error).__name__, error, flush=True)
    while ports():
        stop.wait(0.01)
    print("plug", flush=True)
    while not ports():
        stop.wait(0.005)
    back_ns = clock.now_ns()
    next_of(LinkChange, lambda event: event.up)
    next_of(Acknowledged)
    took_s = (clock.now_ns() - back_ns) / 1e9
    print(f"states flow {took_s:.2f} s after the port is back", flush=True)
    driver.open(clock)
print("samples:", driver.read(5.0).n_samples, "on", *ports(), flush=True)
print("reconnects:", sink.status.reconnects, flush=True)
print("done", flush=True)
"""


def main() -> None:
    """Build what is missing, run both machines, print what the guest says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the machine's disk is kept")
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "root"
    if not (root / "boot").exists():
        make_root(root)
    initrd, disk, kernel = make_initrd(root, folder), make_disk(root, folder), find_kernel(root)
    with QemuBoard(build_firmware(folder / "firmware")) as board:
        port = int(board.target.rpartition(":")[2])
        sys.exit(0 if run(kernel, initrd, disk, port, folder / "monitor") else 1)


def make_root(root: Path) -> None:
    """Unpack a small Debian and the packages from PyPI; no foreign code runs."""
    call("mmdebstrap", "--mode=root", "--arch=arm64", "--variant=extract",
         f"--include={PACKAGES}", "bookworm", root)  # fmt: skip
    platforms = [word for name in (*PLATFORMS,) for word in ("--platform", f"{name}_aarch64")]
    call(sys.executable, "-m", "pip", "install", "-q", "--target", root / "opt/site",
         "--implementation", "cp", "--python-version", "3.11", "--only-binary=:all:",
         *platforms, "--platform", "any", "numpy", "pyserial", "protobuf")  # fmt: skip


def make_disk(root: Path, folder: Path) -> Path:
    """Write the disk, with the present state of edge_emo on it."""
    edge = root / "opt/edge/edge_emo"
    shutil.rmtree(edge, ignore_errors=True)
    shutil.copytree(ROOT / "edge_emo", edge, ignore=shutil.ignore_patterns("__pycache__", "assets"))
    (root / "opt/guest.py").write_text(GUEST)
    shell = root / "guest.sh"
    shell.write_text(GUEST_SHELL.format(rounds=ROUNDS, serial=SERIAL))
    shell.chmod(0o755)
    disk = folder / "root.img"
    disk.unlink(missing_ok=True)
    call("mke2fs", "-q", "-t", "ext4", "-d", root, disk, "1500M")
    return disk


def find_kernel(root: Path) -> Path:
    """Return Debian's kernel."""
    return next((root / "boot").glob("vmlinuz-*"))


def make_initrd(root: Path, folder: Path) -> Path:
    """Write an initial file system that mounts the disk."""
    tree = folder / "initrd"
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("bin", "proc", "sys", "dev", "root"):
        (tree / name).mkdir(parents=True)
    shutil.copy(next(root.glob("*bin/busybox")), tree / "bin/busybox")
    version = find_kernel(root).name.removeprefix("vmlinuz-")
    call("depmod", "-b", root, version)
    order: list[str] = []
    for module in DISK_MODULES:
        told = call("modprobe", "-d", root, "-S", version, "--show-depends", module)
        for line in told.splitlines():
            words = line.split()
            if words[0] == "insmod" and Path(words[1]).name not in order:
                order.append(Path(words[1]).name)
                shutil.copy(words[1], tree)
    (tree / "order").write_text("\n".join(order))
    (tree / "init").write_text(INITRD)
    (tree / "init").chmod(0o755)
    initrd = folder / "initrd.cpio"
    with initrd.open("wb") as file:
        names = "\n".join(str(path.relative_to(tree)) for path in tree.rglob("*"))
        subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), stdout=file,
            cwd=tree, check=True,
        )  # fmt: skip
    return initrd


def run(kernel: Path, initrd: Path, disk: Path, port: int, monitor: Path) -> bool:
    """Run the machine; obey the guest's wishes to be unplugged and plugged in."""
    monitor.unlink(missing_ok=True)
    command = [
        "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024",
        "-accel", "tcg,thread=multi", "-kernel", kernel, "-initrd", initrd,
        "-append", "console=ttyAMA0 panic=5 quiet loglevel=1",
        "-drive", f"file={disk},if=virtio,format=raw,cache=unsafe", "-nic", "none",
        "-display", "none", "-serial", "stdio", "-monitor", f"unix:{monitor},server=on,wait=off",
        "-device", "qemu-xhci,id=xhci",
        "-chardev", f"socket,id=fw,host=127.0.0.1,port={port},reconnect=1",
        "-device", f"usb-serial,id=board0,chardev=fw,serial={SERIAL}",
    ]  # fmt: skip
    with subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as machine:
        assert machine.stdout is not None
        try:
            return obey(machine.stdout, monitor)
        finally:
            machine.kill()


def obey(console: Iterator[str], monitor: Path) -> bool:
    """Print what the guest says; return whether it came to the end."""
    plugged = 0
    for line in console:
        line = line.strip()
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


def call(*command: object) -> str:
    """Run a program; return what it prints."""
    words = [str(word) for word in command]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
