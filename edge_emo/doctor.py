"""What works on this machine, why the rest does not, and the exact command that mends it."""

from __future__ import annotations

import grp
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from edge_emo.board import read_board
from edge_emo.errors import EdgeEmoError
from edge_emo.manifest import ModelPackage, Signatures, list_packages
from edge_emo.registry import DRIVERS, SINKS, Table
from edge_emo.runtime.choose import candidates
from edge_emo.runtime.probe import probe_backends
from edge_emo.vendor import load

ARCHITECTURES = ("x86_64", "aarch64")
"""Machines that are supported: 64-bit only."""

NEEDS = {
    "camera.opencv": ("cv2",),
    "microphone.portaudio": ("pyaudio",),
    "eeg.brainflow": ("brainflow.board_shim",),
    "eeg.cyton": ("serial",),
    "eeg.edf": ("pyedflib",),
    "eeg.xdf": ("pyxdf",),
    "physio.brainflow": ("brainflow.board_shim",),
    "physio.bridge": ("serial", "google.protobuf"),
    "bridge": ("serial", "google.protobuf"),
    "mqtt": ("paho.mqtt.client",),
    "mqtts": ("paho.mqtt.client",),
}
"""Vendor package of each driver and sink that has one; the others need nothing."""

GROUPS = {"video": "cameras", "audio": "microphones", "dialout": "serial ports"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        part: What sort of thing: system, backend, driver, sink, model, permission.
        name: Its name.
        works: Whether it can be used here.
        detail: Version when it works, reason when it does not.
        hint: The command that mends it; empty when it works.
    """

    part: str
    name: str
    works: bool
    detail: str
    hint: str = ""


def examine() -> Iterator[Finding]:
    """Look at system, board, permissions, every backend, driver, sink and model."""
    yield _system()
    yield Finding("system", "board", True, str(read_board()))
    yield from _permissions()
    for status in probe_backends():
        detail = status.version or status.reason
        yield Finding("backend", status.name, status.works, detail, status.hint)
    for name in DRIVERS.names():
        yield _plugin("driver", DRIVERS, name)
    for name in SINKS.names():
        yield _plugin("sink", SINKS, name)
    yield _program("ffmpeg", "the sound of video files (wav:CLIP.mp4)")
    yield from _models()


def _system() -> Finding:
    machine = platform.machine()
    detail = f"{platform.system()} {machine}, Python {platform.python_version()}"
    supported = machine in ARCHITECTURES and platform.system() == "Linux"
    hint = "" if supported else f"use 64-bit Linux on {' or '.join(ARCHITECTURES)}"
    return Finding("system", "platform", supported, detail, hint)


def _permissions() -> Iterator[Finding]:
    mine = {*os.getgroups(), os.getegid()}
    for name, what in GROUPS.items():
        try:
            member = grp.getgrnam(name).gr_gid in mine or os.geteuid() == 0
        except KeyError:
            continue
        detail = f"{what}: {'allowed' if member else 'this user is not in the group'}"
        hint = "" if member else f"sudo usermod -aG {name} $USER, then log in again"
        yield Finding("permission", name, member, detail, hint)


def _plugin(part: str, table: Table, name: str) -> Finding:
    try:
        table.load(name)
        for module in NEEDS.get(name, ()):
            load(module)
    except EdgeEmoError as error:
        return Finding(part, name, False, error.message, error.hint)
    return Finding(part, name, True, ", ".join(NEEDS.get(name, ())) or "built in")


def _program(name: str, purpose: str) -> Finding:
    path = shutil.which(name)
    hint = "" if path else f"sudo apt-get install {name}"
    return Finding("program", name, path is not None, f"{purpose}: {path or 'not found'}", hint)


def _models() -> Iterator[Finding]:
    try:
        packages = list_packages()
    except EdgeEmoError as error:
        yield Finding("model", "packages", False, error.message, error.hint)
        return
    yield from map(examine_model, packages)


def examine_model(package: ModelPackage) -> Finding:
    """Tell whether a session could use a package: a backend runs it, and nothing was altered."""
    options = candidates(package)
    usable = next((option for option in options if option.accepted), None)
    if usable is None:
        hint = "install a backend: see the backend rows above"
        return Finding("model", package.id, False, "; ".join(map(str, options)), hint)
    try:
        Signatures().check(package)
        for file in package.files:
            package.verify(file)
    except EdgeEmoError as error:
        return Finding("model", package.id, False, error.message, error.hint)
    return Finding("model", package.id, True, str(usable))
