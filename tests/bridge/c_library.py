"""The C library as Python sees it: built from source by gcc, called through cffi.

With ``EDGE_EMO_C_CHECK`` set to a folder, it is built there with AddressSanitizer,
UndefinedBehaviorSanitizer and coverage; see test_bridge_c_checked.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "firmware_bridge" / "c" / "src"
OURS = ("edge_emo_frame.c", "edge_emo_bridge.c")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic")
CHECKED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "--coverage", "-O0", "-g")
INSTALL = "sudo apt-get install --no-install-recommends gcc libc6-dev && pip install cffi"

DECLARATIONS = """
typedef struct shim shim;
shim *shim_new(const char *board, int streams, int handlers, int broken_stream);
void shim_free(shim *);
void shim_room(shim *, size_t);
void shim_config_code(shim *, int);
void shim_poll(shim *, uint32_t);
size_t shim_bytes(void);
void shim_feed(shim *, const uint8_t *, size_t);
size_t shim_unread(shim *);
size_t shim_take(shim *, uint8_t *);
size_t shim_lines(shim *, char *);
uint32_t shim_counter(shim *, int);
int shim_wants(shim *, int);
int shim_samples(shim *, int, uint32_t, uint32_t, const int32_t *, size_t);
int shim_log(shim *, int, const char *);
int shim_error(shim *, int, const char *);
uint32_t shim_crc(const uint8_t *, size_t);
size_t shim_parse(const uint8_t *, size_t, char *, size_t);
"""
_BYTES = 65536
COUNTERS = ("received", "bad", "lost", "duplicates", "refused")


def missing() -> str:
    """Return the reason to skip, with the command that mends it; empty when all is there."""
    absent = [] if shutil.which("gcc") else ["gcc"]
    try:
        import cffi  # noqa: F401
    except ImportError:
        absent.append("cffi")
    return f"needs {', '.join(absent)}: {INSTALL}" if absent else ""


def build(folder: Path) -> Path:
    """Compile the library and the shim; return the shared object."""
    extra = CHECKED if os.environ.get("EDGE_EMO_C_CHECK") else ("-O1",)
    objects = []
    for source in (*sorted(SOURCE.glob("*.c")), Path(__file__).with_name("shim.c")):
        target = folder / f"{source.stem}.o"
        command = ["gcc", *STRICT, *extra, "-fPIC", f"-I{SOURCE}", "-c", str(source), "-o"]
        subprocess.run([*command, str(target)], check=True, cwd=folder, timeout=60)
        objects.append(str(target))
    shared = folder / "shim.so"
    subprocess.run(
        ["gcc", "-shared", *extra, *objects, "-o", str(shared)], check=True, cwd=folder, timeout=60
    )
    return shared


class Library:
    """The shared object."""

    def __init__(self, shared: Path) -> None:
        import cffi

        self.ffi = cffi.FFI()
        self.ffi.cdef(DECLARATIONS)
        self.lib: Any = self.ffi.dlopen(str(shared))

    def parse(self, data: bytes) -> list[str]:
        """Return the outcome of each run of bytes, one line each."""
        room = 4 * len(data) + 4096
        out = self.ffi.new("char[]", room)
        length = self.lib.shim_parse(data, len(data), out, room)
        text: str = self.ffi.buffer(out, length)[:].decode()
        return text.splitlines()


class CDevice:
    """One ``ee_bridge``, with the transport and the handlers of the shim."""

    def __init__(
        self,
        library: Library,
        board: str = "a board",
        *,
        streams: int = 1,
        handlers: bool = True,
        broken_stream: bool = False,
    ) -> None:
        self._ffi, self._lib = library.ffi, library.lib
        made = self._lib.shim_new(board.encode(), streams, handlers, broken_stream)
        self._shim = self._ffi.gc(made, self._lib.shim_free)
        self._buffer = self._ffi.new("uint8_t[]", _BYTES)
        self._text = self._ffi.new("char[]", _BYTES)

    def feed(self, data: bytes) -> None:
        """Give bytes that the transport will read."""
        self._lib.shim_feed(self._shim, data, len(data))

    def poll(self, now_us: int) -> bytes:
        """Poll; return the bytes that it wrote."""
        self._lib.shim_poll(self._shim, now_us & 0xFFFFFFFF)
        return self.written()

    def exchange(self, data: bytes, now_us: int) -> bytes:
        """Feed bytes and poll until all are read."""
        self.feed(data)
        out = self.poll(now_us)
        while self.unread():
            out += self.poll(now_us)
        return out + self.poll(now_us)

    def unread(self) -> int:
        """Count the bytes that the transport has not given yet."""
        return int(self._lib.shim_unread(self._shim))

    def written(self) -> bytes:
        """Return the bytes written so far, and forget them."""
        length = self._lib.shim_take(self._shim, self._buffer)
        return bytes(self._ffi.buffer(self._buffer, length)[:])

    def lines(self) -> list[str]:
        """Return what the handlers were told so far, and forget it."""
        length = self._lib.shim_lines(self._shim, self._text)
        text: str = self._ffi.buffer(self._text, length)[:].decode()
        return text.splitlines()

    def room(self, count: int) -> None:
        """Let the transport take so many bytes more."""
        self._lib.shim_room(self._shim, count)

    def refuse_config(self, code: int) -> None:
        """Let the handler of Config answer with a code."""
        self._lib.shim_config_code(self._shim, code)

    def counter(self, name: str) -> int:
        """Return one of the counters."""
        return int(self._lib.shim_counter(self._shim, COUNTERS.index(name)))

    def wants(self, stream: int) -> bool:
        """Tell whether the host wants a stream."""
        return bool(self._lib.shim_wants(self._shim, stream))

    def samples(self, stream: int, first: int, t_us: int, counts: list[int]) -> bool:
        """Send samples."""
        now = t_us & 0xFFFFFFFF
        return bool(self._lib.shim_samples(self._shim, stream, first, now, counts, len(counts)))

    def log(self, text: str, level: int = 1) -> bool:
        """Send a line of text."""
        return bool(self._lib.shim_log(self._shim, level, text.encode()))

    def error(self, text: str, code: int) -> bool:
        """Send an error."""
        return bool(self._lib.shim_error(self._shim, code, text.encode()))
