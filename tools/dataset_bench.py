"""Measure preparing and sharding: ``python tools/dataset_bench.py WORK [--speech MANIFEST]``.

Manifest only: the layout of EmoGator, 32,130 files, one process. Memory: a million rows of
EEV. Shards: a prepared manifest of speech, two processes; needs pip install 'edge-emo[datasets]'.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

from edge_emo.datasets.adapter import make_adapter
from edge_emo.datasets.prepare import prepare
from edge_emo.datasets.shards import make_shards

EXPRESSIONS = (
    "amusement,anger,awe,concentration,confusion,contempt,contentment,disappointment,doubt,"
    "elation,interest,pain,sadness,surprise,triumph"
)


def main() -> None:
    """Measure, and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--speech", type=Path, help="manifest to shard")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", choices=("speed", "memory", "shards"))
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.only in (None, "speed"):
        speed(arguments.work)
    if arguments.only in (None, "memory"):
        memory(arguments.work, arguments.rows)
    if arguments.speech and arguments.only in (None, "shards"):
        shards(arguments.speech, arguments.work / "shards")


def speed(work: Path) -> None:
    """Prepare the layout of EmoGator three times; the best counts."""
    folder = work / "EmoGator" / "data" / "mp3"
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        for person in range(1, 358):
            for category in range(1, 31):
                for take in (1, 2, 3):
                    (folder / f"{person:06d}-{category:02d}-{take}.mp3").write_bytes(bytes(256))
    best = 0.0
    for _ in range(3):
        begin, cpu = time.perf_counter(), time.process_time()
        summary = prepare(make_adapter("emogator"), work / "EmoGator", work / "emogator.jsonl")
        wall, used = time.perf_counter() - begin, time.process_time() - cpu
        best = max(best, summary.clips / wall)
        print(f"manifest: {summary.clips} clips, {wall:.2f} s ({used:.2f} s of one core)")
    print(f"manifest: {best:.0f} clips/s")


def memory(work: Path, rows: int) -> None:
    """Prepare a table of many rows; the peak of the process counts."""
    root = work / "eev"
    root.mkdir(exist_ok=True)
    with (root / "train.csv").open("w", encoding="utf-8") as file:
        file.write(f"Video ID,Timestamp (milliseconds),{EXPRESSIONS}\n")
        for row in range(rows):
            scores = ",".join("0.5" if k == row % 15 else "0.0" for k in range(15))
            file.write(f"v{row // 2000:06d},{row % 2000 * 1_000_000 // 6},{scores}\n")
    begin = time.perf_counter()
    summary = prepare(make_adapter("eev"), root, work / "eev.jsonl")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory: {summary.clips} clips, {time.perf_counter() - begin:.0f} s, {peak_mb:.0f} MB")


def shards(manifest: Path, folder: Path) -> None:
    """Shard a manifest with two processes, then again, when all of it is there."""
    for name in ("made", "kept"):
        begin = time.perf_counter()
        made = make_shards(manifest, folder, engine="processes:2")
        wall = time.perf_counter() - begin
        seconds = sum(shard.seconds for shard in made)
        kept = sum(shard.kept for shard in made)
        print(
            f"shards, {name}: {sum(s.clips for s in made)} clips, {seconds:.0f} s of sound in "
            f"{wall:.1f} s, {seconds / wall:.0f} times real time, {kept} of {len(made)} kept"
        )


if __name__ == "__main__":
    main()
