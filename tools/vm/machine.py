"""Starting an emulated machine with a job, and reading what its steps print."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.vm.image import HERE, Image, pack

_QUIET = "quiet loglevel=1 panic=5"


@dataclass(frozen=True, slots=True)
class Step:
    """What one command of a job did.

    Attributes:
        code: Its exit status; None when the machine stopped before it ended.
        out: What it printed.
        err: The end of what it printed on stderr.
    """

    code: int | None
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of emulated machine.

    Attributes:
        name: What it is.
        disk: The disk's node in the guest.
        console: The kernel's name of the serial line, and other words for its command line.
        options: Options of QEMU that make it.
        drive: How QEMU attaches the disk.
        needs_tree: True when QEMU must be given the Pi's device tree.
    """

    name: str
    disk: str
    console: str
    options: Sequence[str]
    drive: str
    needs_tree: bool = False


VIRT = Board(
    "virt, 2 × Cortex-A72, 1.5 GB",
    "/dev/vda",
    "console=ttyAMA0",
    ("-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1536"),
    "if=virtio",
)
"""QEMU's own machine, with PCI and USB."""

RASPI3B = Board(
    "raspi3b, 4 × Cortex-A53, 1 GB",
    "/dev/mmcblk0",
    "console=ttyS1,115200 initcall_blacklist=bcm2835_pm_driver_init",
    ("-M", "raspi3b"),
    "if=sd",
    needs_tree=True,
)
"""A Raspberry Pi 3 Model B; it cannot switch itself off."""


def run_job(
    image: Image, board: Board, steps: Mapping[str, str], files: Path, timeout_s: float
) -> dict[str, Step]:
    """Start a machine, run commands one after the other, and return what they did.

    Args:
        image: What the machine is made of; it is left as it was.
        board: Which machine.
        steps: Shell commands by name. They begin in ``/mnt``, where ``files`` is copied;
            Python finds packages there, in ``/mnt/site`` and in ``/opt/site``.
        files: A folder, with a folder ``site`` that holds the wheel.
        timeout_s: The machine is switched off after so long.
    """
    with started(image, board, steps, files, timeout_s, ("-monitor", "none")) as lines:
        return read_steps(lines)


@contextlib.contextmanager
def started(
    image: Image,
    board: Board,
    steps: Mapping[str, str],
    files: Path,
    timeout_s: float,
    options: Sequence[str],
) -> Iterator[Iterator[str]]:
    """Start a machine as :func:`run_job` does; yield the lines of its console.

    Args:
        image: What the machine is made of.
        board: Which machine.
        steps: Shell commands by name.
        files: A folder for the machine.
        timeout_s: The machine is switched off after so long.
        options: More options of QEMU.
    """
    with tempfile.TemporaryDirectory() as name:
        initrd = Path(name) / "initrd"
        _append_job(image, steps, files, initrd)
        with _console([*_command(image, board, initrd), *options], timeout_s) as lines:
            yield lines


def read_steps(lines: Iterable[str]) -> dict[str, Step]:
    """Return what each step did, from the lines of the console.

    The step at which the machine stopped has no exit status; the kernel's own lines go to stderr,
    and what it says before a line ends is no part of it.
    """
    steps: dict[str, Step] = {}
    name = "console"
    out: list[str] = []
    err: list[str] = []
    for line in lines:
        kind, _, rest = line.rstrip("\r\n").partition(" ")
        if kind == "@@begin":
            name, out, err = rest, [], []
        elif kind == "@@out":
            out.append(rest)
        elif kind == "@@end":
            code = re.match(r"\d+", rest)
            steps[name] = Step(int(code[0]) if code else None, "\n".join(out), "\n".join(err))
            name, out, err = "console", [], []
        elif kind == "@@done":
            return steps
        else:
            err.append(rest if kind == "@@err" else line.rstrip())
    steps[name] = Step(None, "\n".join(out), "\n".join(err))
    return steps


def _append_job(image: Image, steps: Mapping[str, str], files: Path, initrd: Path) -> None:
    tree = initrd.with_name("tree")
    job = tree / "job"
    shutil.copytree(files, job)
    shutil.copy(HERE / "guest/start.sh", job)
    (job / "steps").write_text("".join(f"{name}\t{line}\n" for name, line in steps.items()))
    appended = initrd.with_name("job.cpio")
    pack(tree, appended)
    with initrd.open("wb") as file:
        for part in (image.initrd, appended):
            file.write(part.read_bytes())


def _command(image: Image, board: Board, initrd: Path) -> list[str]:
    tree = ["-dtb", str(image.pi_tree)] if board.needs_tree else []
    return [
        "qemu-system-aarch64", *board.options, *tree, "-accel", "tcg,thread=multi",
        "-kernel", str(image.kernel), "-initrd", str(initrd),
        "-append", f"{board.console} disk={board.disk} {_QUIET}",
        "-drive", f"file={image.disk},{board.drive},format=raw,snapshot=on",
        "-nic", "none", "-display", "none", "-no-reboot",
        *(("-serial", "null") if board.needs_tree else ()), "-serial", "stdio",
    ]  # fmt: skip


@contextlib.contextmanager
def _console(command: Sequence[str], timeout_s: float) -> Iterator[Iterator[str]]:
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            yield iter(process.stdout)
        finally:
            timer.cancel()
            process.kill()
