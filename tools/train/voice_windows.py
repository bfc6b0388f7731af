r"""Make windows to train the voice networks with, once for all groups.

    python voice_windows.py --data DATA --out WINDOWS --count 80000
    python voice_fit.py --data DATA --out OUT --windows WINDOWS ...

A large buffer that glibc hands back after each use costs as much time as the windows; it keeps them
with ``MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000`` in the environment.

``WINDOWS`` is a new folder; a window takes 38 kB, and a processor makes about 150 a second. They
are of all clips of the research corpora, with ``--commercial`` of the others alone, and so are the
voices behind; a run is shown only those of clips that it may see.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from pathlib import Path

import numpy as np
import torch
import voice_held
import voice_sound
from voice_mel import LENGTH, SPEC
from voice_stream import Stream

PIECE = 96


def main() -> None:
    """Make windows in as many processes as there are processors."""
    given = _parser().parse_args()
    cache = voice_sound.gather(
        given.data, given.cache or given.out.with_suffix(".sound"), given.jobs, 0
    )
    stream = Stream(cache, given.commercial, torch.device("cpu"))
    torch.manual_seed(given.seed)
    rows = stream.draw(given.count)
    shape = (1, LENGTH, SPEC.bands)
    windows = voice_held.open_made(given.out, rows, shape)
    pieces = [
        (cache, given.commercial, 100 * given.seed + k, given.plain, part.numpy())
        for k, part in enumerate(rows.split(given.count // 16 + 1))
    ]
    first = 0
    with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
        for made in pool.imap(_make, pieces):
            windows[first : first + len(made)] = made
            first += len(made)
            print(f"{first} of {given.count} windows", flush=True)
    windows.flush()
    voice_held.finish(given.out, stream.names)


def _make(piece: tuple[Path, bool, int, float, np.ndarray]) -> np.ndarray:
    cache, commercial, seed, plain, rows = piece
    torch.set_num_threads(1)
    stream = Stream(cache, commercial, torch.device("cpu"), seed, plain)
    parts = [stream.make(part) for part in torch.from_numpy(rows).split(PIECE)]
    return torch.cat(parts).half().numpy()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="where decoded sound is kept; else beside OUT")
    parser.add_argument("--count", type=int, default=80_000)
    parser.add_argument("--seed", type=int, default=1, help="others make other windows")
    parser.add_argument("--plain", type=float, default=0.0, help="share as the device cuts them")
    parser.add_argument("--commercial", action="store_true", help="for the runs of group c")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser


if __name__ == "__main__":
    main()
