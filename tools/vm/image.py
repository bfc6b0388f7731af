"""The disk, kernel and initial file system of an emulated 64-bit Arm machine.

The disk holds Debian 12 with its own kernel, and the Arm wheels that a board would install, at
``/opt/site``. edge_emo itself is not on it: a run brings its wheel along, so a disk serves until
one of the lists beside this file changes. No foreign code runs while it is built, and files keep
whoever built it as their owner. Debian's archive signs the SHA-256 of every package, which apt
checks; the SHA-256 of every wheel is in ``requirements.txt``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.vm import wheels

HERE = Path(__file__).resolve().parent
DEFAULT_FOLDER = HERE.parents[1] / "build" / "vm"
"""Where machines are kept; ``make clean`` removes it."""

SUITE = "bookworm"
DISK_SIZE = "2048M"
"""A power of two: the SD controller of the emulated Raspberry Pi takes no other."""

PI_TREE = "bcm2837-rpi-3-b.dtb"
BOOT_MODULES = (
    "virtio_mmio", "virtio_pci", "virtio_blk", "ext4", "sdhci-iproc", "bcm2835", "bcm2835_thermal",
)  # fmt: skip
DEVICE_MODULES = ("vivid", "snd-aloop", "xhci-pci", "ftdi_sio")
PROGRAMS = ("qemu-system-aarch64", "mmdebstrap", "arch-test", "cpio", "depmod", "mke2fs")
INSTALL = (
    "sudo apt-get install --no-install-recommends qemu-system-arm mmdebstrap arch-test cpio "
    "kmod e2fsprogs"
)
"""The command that brings the programs."""
BUILD = "sudo env PATH=$PATH python -m tools.vm build"
"""The command that builds the machine."""


@dataclass(frozen=True, slots=True)
class Image:
    """A machine that can be started.

    Attributes:
        folder: Where the files lie.
    """

    folder: Path

    @property
    def disk(self) -> Path:
        """The disk, ext4 without partitions."""
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        """Debian's kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """What mounts the disk; a run appends its job."""
        return self.folder / "initrd.cpio"

    @property
    def pi_tree(self) -> Path:
        """Device tree of a Raspberry Pi 3 Model B."""
        return self.folder / PI_TREE


def missing(folder: Path = DEFAULT_FOLDER) -> str:
    """Return why no machine can be started, with the command that mends it; else nothing."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_search_path()) is None]
    if absent:
        return f"needs {', '.join(absent)}: {INSTALL}"
    if find_image(folder) is None and os.geteuid() != 0:
        return f"needs the emulated machine: {BUILD}"
    return ""


def find_image(folder: Path = DEFAULT_FOLDER) -> Image | None:
    """Return the machine that the lists describe; None when it is not built."""
    image = Image(folder / _key())
    return image if image.folder.is_dir() else None


def ensure_image(folder: Path = DEFAULT_FOLDER) -> Image:
    """Return the machine that the lists describe; build it first when it is not there.

    Raises:
        CalledProcessError: A program failed; its own words are on stderr.
    """
    found = find_image(folder)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        made = Path(name) / "image"
        made.mkdir()
        _build(Path(name) / "root", Image(made))
        made.rename(folder / _key())
    return Image(folder / _key())


def pack(tree: Path, archive: Path) -> None:
    """Write a folder as an archive that the kernel unpacks at boot."""
    names = "\n".join(sorted(str(path.relative_to(tree)) for path in tree.rglob("*")))
    with archive.open("wb") as file:
        subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet"],
            input=names.encode(), stdout=file, cwd=tree, check=True,
        )  # fmt: skip


def _build(root: Path, image: Image) -> None:
    _unpack_debian(root)
    wheels.install_locked(root / "opt/site")
    kernel = next((root / "boot").glob("vmlinuz-*"))
    version = kernel.name.removeprefix("vmlinuz-")
    shutil.copy(kernel, image.kernel)
    shutil.copy(next(root.rglob(PI_TREE)), image.pi_tree)
    _call("depmod", "-b", root, version)
    boot = _closure(root, version, BOOT_MODULES)
    _make_initrd(root, boot, image.initrd)
    _keep_modules(root, version, {*boot, *_closure(root, version, DEVICE_MODULES)})
    _call("mke2fs", "-q", "-t", "ext4", "-d", root, image.disk, DISK_SIZE)


def _unpack_debian(root: Path) -> None:
    packages = ",".join((HERE / "packages.txt").read_text().split())
    _call("mmdebstrap", "--quiet", "--mode=root", "--arch=arm64", "--variant=extract",
          f"--include={packages}", SUITE, root)  # fmt: skip
    for name in ("usr/share/doc", "usr/share/locale", "usr/share/man"):
        shutil.rmtree(root / name, ignore_errors=True)


def _closure(root: Path, version: str, modules: Iterable[str]) -> list[Path]:
    """Return the files of kernel modules and of all that they need, in the order of loading."""
    told = [
        _call("modprobe", "-d", root, "-S", version, "--show-depends", name) for name in modules
    ]
    lines = [line.split() for text in told for line in text.splitlines()]
    return list(dict.fromkeys(Path(words[1]) for words in lines if words[0] == "insmod"))


def _make_initrd(root: Path, modules: Sequence[Path], initrd: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        for folder in ("bin", "proc", "sys", "dev", "root", "modules"):
            (tree / folder).mkdir()
        shutil.copy(next(root.glob("*bin/busybox")), tree / "bin/busybox")
        for module in modules:
            shutil.copy(module, tree / "modules")
        (tree / "modules.order").write_text("\n".join(path.name for path in modules) + "\n")
        shutil.copy(HERE / "guest/initrd.sh", tree / "init")
        (tree / "init").chmod(0o755)
        pack(tree, initrd)


def _keep_modules(root: Path, version: str, wanted: set[Path]) -> None:
    """Delete the other modules: 0.3 GB that no run loads."""
    for path in (root / "lib/modules" / version).rglob("*.ko"):
        if path not in wanted:
            path.unlink()
    _call("depmod", "-b", root, version)
    shutil.rmtree(root / "boot")


def _key() -> str:
    """Return a name that changes with whatever the disk is made of."""
    recipe = (HERE / "packages.txt", wheels.LOCK, HERE / "guest/initrd.sh", Path(__file__))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in recipe)).hexdigest()[:16]


def _search_path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def _call(*command: object) -> str:
    words = [str(word) for word in command]
    environment = {**os.environ, "PATH": _search_path()}
    done = subprocess.run(
        words, check=True, stdout=subprocess.PIPE, text=True, env=environment
    )  # fmt: skip
    return done.stdout
