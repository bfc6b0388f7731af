"""All sound of the corpora in one array: from WAV files or from archives of Opus files."""

from __future__ import annotations

import io
import json
import multiprocessing
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from voice_corpora import CORPORA, read_sound

Samples = npt.NDArray[np.int16]


def gather(data: Path, cache: Path, jobs: int, limit: int = 0) -> Path:
    """Write ``sound.npy`` (all samples, int16) and ``sound.json`` (name, length) into ``cache``.

    Args:
        data: Folder with ``<corpus>.tar`` files of Opus, or with trees of WAV files.
        cache: Where to write; what is there already is kept.
        jobs: Processes that decode.
        limit: At most so many clips of each corpus; 0 takes all.
    """
    if (cache / "sound.json").exists():
        return cache
    cache.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        parts = [pool.map(_decode, _sources(data, corpus.name, limit), 32) for corpus in CORPORA]
    clips = [clip for part in parts for clip in part]
    if not clips:
        raise SystemExit(f"{data}: neither archives nor WAV files of a known corpus")
    np.save(cache / "sound.npy", np.concatenate([samples for _, samples in clips]))
    index = [[name, len(samples)] for name, samples in clips]
    (cache / "sound.json").write_text(json.dumps(index), "utf-8")
    return cache


def load(cache: Path) -> tuple[Samples, list[str], npt.NDArray[np.int64]]:
    """Return all samples, the names of the clips, and their lengths."""
    index = json.loads((cache / "sound.json").read_text("utf-8"))
    sound = np.load(cache / "sound.npy", mmap_mode="r")
    return sound, [name for name, _ in index], np.array([length for _, length in index])


def _sources(data: Path, corpus: str, limit: int) -> list[tuple[str, Path, int, int]]:
    """List (name, file, offset, bytes); bytes is 0 when the file is the clip."""
    archive = next((p for p in sorted(data.rglob(f"{corpus}.tar"))), None)
    if archive is not None:
        with tarfile.open(archive) as opened:
            found = [
                (m.name.rpartition(".")[0], archive, m.offset_data, m.size)
                for m in opened
                if m.isfile()
            ]
    else:
        files = sorted((data / corpus).rglob("*.wav"))
        found = [(f.relative_to(data).with_suffix("").as_posix(), f, 0, 0) for f in files]
    known = sorted(source for source in found if read_sound(source[0]))
    return known[:: max(1, len(known) // limit)] if limit else known


def _decode(source: tuple[str, Path, int, int]) -> tuple[str, Samples]:
    name, path, offset, size = source
    if size:
        with path.open("rb") as file:
            file.seek(offset)
            samples, rate = soundfile.read(io.BytesIO(file.read(size)), dtype="int16")
    else:
        samples, rate = soundfile.read(path, dtype="int16")
    if rate != 16000 or samples.ndim != 1:
        raise SystemExit(f"{name}: not 16 kHz mono")
    return name, samples
