"""The sound of films, and sounds that libsndfile does not read, through ffmpeg's command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_emo.datasets.clips import Clip
from edge_emo.errors import DatasetError, UnavailableError
from edge_emo.features.audio import RATE_HZ

SUFFIXES = (
    ".mp4",
    ".avi",
    ".flv",
    ".mkv",
    ".webm",
    ".mov",
    ".mpg",
    ".mpeg",
    ".m4a",
    ".amr",
    ".aac",
)


def read_film_sound(clip: Clip, path: Path) -> npt.NDArray[np.float32]:
    """Return the sound of a clip, mono at 16 kHz, −1 … +1.

    Raises:
        DatasetError: The file has no sound, or cannot be read.
        UnavailableError: There is no ffmpeg.
    """
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise UnavailableError(
            "the sound of films needs ffmpeg", hint="sudo apt-get install ffmpeg"
        )
    cut = [] if clip.start_s is None else ["-ss", f"{clip.start_s:.6f}"]
    lasts = [] if clip.end_s is None else ["-t", f"{clip.end_s - (clip.start_s or 0.0):.6f}"]
    form = ["-vn", "-ac", "1", "-ar", str(RATE_HZ), "-f", "f32le", "-"]
    quiet = ["-nostdin", "-loglevel", "error"]
    command = [ffmpeg, *quiet, *cut, *lasts, "-i", f"file:{path}", *form]
    done = subprocess.run(command, capture_output=True, check=False)
    samples = np.frombuffer(done.stdout[: len(done.stdout) // 4 * 4], "<f4")
    if done.returncode != 0 or len(samples) == 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise DatasetError(
            f"clip {clip.clip}: {path} has no readable sound: {' '.join(words[-1:])}"
        )
    return np.asarray(samples, dtype=np.float32)
