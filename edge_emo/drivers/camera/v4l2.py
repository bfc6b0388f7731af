"""Camera nodes of Linux: which there are, and why one cannot be opened.

OpenCV only says that it failed. The kernel says why, through the ioctls of linux/videodev2.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

from edge_emo.drivers.base import DeviceEntry
from edge_emo.errors import DeviceBusyError, DeviceError, DeviceNotFoundError

_DEV = Path("/dev")
_SYSFS = Path("/sys/class/video4linux")
_LIST = "see what is attached: edge-emo devices"

# struct v4l2_capability, 104 bytes; device_caps is its word at byte 88.
_QUERYCAP = 0x80685600
_CAPABILITY_BYTES = 104
_DEVICE_CAPS_AT = 88
_CAPTURE = 0x00000001
_MEMORY_TO_MEMORY = 0x00008000 | 0x00004000

# struct v4l2_requestbuffers {count, type, memory, capabilities, flags}; asking for no buffers
# changes nothing on a free device and is refused with EBUSY while another file streams from it.
_REQBUFS = 0xC0145608
_NO_BUFFERS = struct.pack("=5I", 0, 1, 1, 0, 0)


def is_node(path: Path) -> bool:
    """Tell whether ``path`` is a character device, as camera nodes are."""
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


def node_name(path: Path, sysfs: Path = _SYSFS) -> str:
    """Return the camera's own name, or the node's when the kernel tells none."""
    try:
        return (sysfs / path.resolve().name / "name").read_text().strip()
    except OSError:
        return path.name


def list_nodes(dev: Path = _DEV, sysfs: Path = _SYSFS) -> list[DeviceEntry]:
    """List the nodes that deliver pictures, in the order of their numbers.

    Nodes for metadata, and for codecs as a Raspberry Pi has them, are left out; one that may
    not be asked is listed.
    """
    found = [path for path in dev.glob("video*") if path.name[5:].isdigit()]
    return [
        DeviceEntry("camera", f"opencv:{path.name[5:]}", node_name(path, sysfs))
        for path in sorted(found, key=lambda path: int(path.name[5:]))
        if _may_capture(path)
    ]


def explain(path: Path) -> DeviceError:
    """Return the error that says why the camera at ``path`` could not be opened."""
    if not path.exists():
        return DeviceNotFoundError(f"there is no camera {path}", hint=_LIST)
    try:
        _ask(path, _REQBUFS, bytearray(_NO_BUFFERS))
    except PermissionError:
        return DeviceError(
            f"{path} may not be used by this user",
            hint="sudo usermod -aG video $USER, then log in again",
        )
    except OSError as error:
        if error.errno == errno.EBUSY:
            return DeviceBusyError(
                f"{path} is in use by another program", hint=f"see which: fuser -v {path}"
            )
        return DeviceNotFoundError(f"{path} is no camera: {os.strerror(error.errno or 0)}")
    return DeviceNotFoundError(f"{path} delivers no pictures that OpenCV can read", hint=_LIST)


def _may_capture(path: Path) -> bool:
    answer = bytearray(_CAPABILITY_BYTES)
    try:
        _ask(path, _QUERYCAP, answer)
    except OSError:
        return True
    (caps,) = struct.unpack_from("=I", answer, _DEVICE_CAPS_AT)
    return bool(caps & _CAPTURE) and not caps & _MEMORY_TO_MEMORY


def _ask(path: Path, request: int, argument: bytearray) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(descriptor, request, argument)
    finally:
        os.close(descriptor)
