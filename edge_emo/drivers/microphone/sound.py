"""Sound files of any format, read in order: WAV here, others by libsndfile or ffmpeg.

libsndfile (the ``soundfile`` package) reads FLAC, Ogg, Opus, MP3 and AIFF. The sound track of a
video is decoded by the ``ffmpeg`` program in a process of its own: it is in every Linux
distribution for both architectures, adds nothing to the Python environment, and its licence
stays with it. Every reader holds one block in memory, whatever the length of the file.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol, cast

from edge_emo.drivers.microphone.pcm import Samples
from edge_emo.drivers.microphone.riff import UnsupportedEncodingError, WavReader, open_wav
from edge_emo.errors import ConfigError, DeviceLostError, DeviceNotFoundError, UnavailableError
from edge_emo.vendor import load

_SNDFILE_SUFFIXES = frozenset({".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".wav"})


class SoundReader(Protocol):
    """Reads a sound file forwards.

    Attributes:
        note: What is odd about the file, in words; empty when nothing is.
    """

    note: str

    @property
    def rate_hz(self) -> float:
        """Samples per second."""

    @property
    def channels(self) -> int:
        """Number of channels."""

    def read(self, n_samples: int) -> Samples:
        """Return up to ``n_samples``; fewer at the end, none after it."""

    def skip(self, n_samples: int) -> None:
        """Go forward without handing out samples."""

    def close(self) -> None:
        """Release the file."""


def open_sound(path: Path) -> SoundReader:
    """Open a sound file, or the sound track of a video.

    Args:
        path: The file. What it is follows from its first bytes, then from its suffix.

    Raises:
        DeviceNotFoundError: There is no such file.
        ConfigError: It is empty, or nothing can read sound from it.
        UnavailableError: Its format needs ``soundfile`` or ``ffmpeg``, which is missing.
    """
    head = _first_bytes(path)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        try:
            return open_wav(path)
        except UnsupportedEncodingError:
            return SndfileReader(path)
    if _is_sndfile(head) or path.suffix.lower() in _SNDFILE_SUFFIXES:
        return SndfileReader(path)
    return FfmpegReader(path)


class SndfileReader:
    """Reads a sound file with libsndfile.

    Raises:
        ConfigError: libsndfile cannot read it.
        UnavailableError: ``soundfile`` is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.note = ""
        self._path = path
        self._library = load("soundfile")
        try:
            self._file: Any = _forward_only(self._library)(str(path))
        except self._library.LibsndfileError as error:
            raise ConfigError(
                f"{path} cannot be read as sound: {error.error_string}",
                hint="check that it plays: ffplay FILE",
            ) from error

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return float(self._file.samplerate)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self._file.channels)

    def read(self, n_samples: int) -> Samples:
        """Return up to ``n_samples``; fewer at the end, none after it.

        Raises:
            DeviceLostError: The file is damaged here.
        """
        try:
            samples = self._file.read(n_samples, dtype="float32", always_2d=True)
        except self._library.LibsndfileError as error:
            raise DeviceLostError(f"{self._path} is damaged: {error.error_string}") from error
        return cast("Samples", samples)

    def skip(self, n_samples: int) -> None:
        """Go forward; decodes and throws away, because not every format can seek."""
        while n_samples > 0 and len(self.read(min(n_samples, 65536))):
            n_samples -= 65536

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class FfmpegReader:
    """Reads the first sound track of a file through the ``ffmpeg`` program.

    The track is padded with silence where it begins after the picture, so that file time 0 is
    the same for both.

    Raises:
        ConfigError: The file has no sound, or ffmpeg cannot read it.
        UnavailableError: ``ffmpeg`` is not on the PATH.
    """

    def __init__(self, path: Path) -> None:
        self.note = "decoded by ffmpeg"
        self._path = path
        self._messages: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._process = self._start()
        try:
            self._wav = WavReader(self._output(), str(path))
        except ConfigError as error:
            message = self._last_message()
            self.close()
            raise ConfigError(
                f"{path} has no sound that can be read: {message}",
                hint="check that it plays: ffplay FILE",
            ) from error

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return self._wav.rate_hz

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self._wav.channels

    def read(self, n_samples: int) -> Samples:
        """Return up to ``n_samples``; fewer at the end, none after it.

        Raises:
            DeviceLostError: ffmpeg failed before the end.
        """
        samples = self._wav.read(n_samples)
        if len(samples) < n_samples and self._process.wait(10) != 0:
            raise DeviceLostError(f"ffmpeg stopped reading {self._path}: {self._last_message()}")
        return samples

    def skip(self, n_samples: int) -> None:
        """Go forward without handing out samples."""
        self._wav.skip(n_samples)

    def close(self) -> None:
        """End the process and close its pipes."""
        self._process.kill()
        self._output().close()
        self._process.wait(10)
        self._messages.close()

    def _start(self) -> subprocess.Popen[bytes]:
        program = shutil.which("ffmpeg")
        if program is None:
            self._messages.close()
            raise UnavailableError(
                f"reading the sound of {self._path.name} needs the ffmpeg program",
                hint="sudo apt-get install ffmpeg",
            )
        # Nothing but local files: a playlist must not make the device open a network connection.
        command = [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe"]
        command += ["-i", f"file:{self._path.absolute()}", "-map", "0:a:0", "-vn"]
        command += ["-af", "aresample=async=1:first_pts=0", "-c:a", "pcm_f32le", "-f", "wav", "-"]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._messages
        )

    def _output(self) -> BinaryIO:
        return cast("BinaryIO", self._process.stdout)

    def _last_message(self) -> str:
        self._process.wait(10)
        self._messages.seek(0)
        lines = self._messages.read().decode("utf-8", "replace").splitlines()
        return lines[-1] if lines else "it says nothing"


def _forward_only(library: Any) -> Any:
    """Return ``SoundFile`` without seeking.

    ``soundfile`` seeks after every read of a file that can; an MP3 decoder then loses the bits
    that the next frame borrows from those before, and gives noise.
    """

    class ForwardOnly(library.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return ForwardOnly


def _first_bytes(path: Path) -> bytes:
    hint = "check the path; a sound file is given as wav:PATH"
    if not path.exists():
        raise DeviceNotFoundError(f"there is no file {path}", hint=hint)
    if not path.is_file():
        raise ConfigError(f"{path} is not a file", hint=hint)
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
    except OSError as error:
        raise DeviceNotFoundError(f"{path} cannot be read: {error.strerror}", hint=hint) from error
    if not head:
        raise ConfigError(f"{path} is empty", hint="record or copy the file again")
    return head


def _is_sndfile(head: bytes) -> bool:
    known = (b"fLaC", b"OggS", b"ID3", b"FORM", b"RF64", b"RIFX", b".snd")
    return head.startswith(known) or _is_mpeg_frame(head)


def _is_mpeg_frame(head: bytes) -> bool:
    # Eleven bits of synchronisation, then any version, layer III.
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2
