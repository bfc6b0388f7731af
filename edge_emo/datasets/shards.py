"""Decoding once: a manifest's clips as Parquet shards, resumable, keyed by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edge_emo.datasets.clips import Clip, iter_clips
from edge_emo.datasets.engines import run_pieces
from edge_emo.datasets.features import Made, Parameters, content_key, make_features
from edge_emo.errors import ConfigError, DatasetError
from edge_emo.vendor import load

CLIPS = 256
"""Clips of a shard."""

Told = Callable[[int, int], None]
"""Called with the number of shards done and their total."""


class Piece(NamedTuple):
    """One shard to make: which clips, from where, to where, how."""

    number: int
    clips: tuple[Clip, ...]
    root: Path
    folder: Path
    parameters: Parameters


class Shard(NamedTuple):
    """One shard that is made.

    Attributes:
        number: Its place.
        name: Its file.
        clips: Clips in it.
        seconds: Seconds of sound, signal and film in it.
        failed: Clip and reason of those left out.
        kept: Whether it was there before.
    """

    number: int
    name: str
    clips: int
    seconds: float
    failed: tuple[str, ...]
    kept: bool


def make_shards(
    manifest: str | Path,
    folder: str | Path,
    *,
    root: str | Path | None = None,
    parameters: Parameters | None = None,
    engine: str = "processes",
    told: Told | None = None,
) -> list[Shard]:
    """Write the shards of a manifest; one that is there with the same key is kept.

    A shard's name carries a digest of its clips, of the bytes of their files, of the parameters,
    and of the packages that find faces in films, so that an interrupted run goes on where it
    stopped and a changed file is made again. Each is written under another name first, so that a
    half-written one is never read.

    Args:
        manifest: The manifest.
        folder: Where shards go.
        root: Folder that paths are relative to; the manifest's own when None.
        parameters: How clips are decoded.
        engine: Where it runs; see :func:`edge_emo.datasets.engines.run_pieces`.
        told: Told of every shard.

    Raises:
        DatasetError: The manifest is wrong.
        UnavailableError: PyArrow, or what the engine needs, is not installed.
    """
    load("pyarrow")
    place = Path(folder).absolute()
    place.mkdir(parents=True, exist_ok=True)
    base = Path(manifest).parent.absolute() if root is None else Path(root).absolute()
    pieces = list(_pieces(Path(manifest), base, place, parameters or Parameters()))
    made: list[Shard] = []
    for shard in run_pieces(make_shard, pieces, engine):
        made.append(shard)
        if told:
            told(len(made), len(pieces))
    made.sort()
    wanted = {shard.name for shard in made}
    for path in place.glob("shard-*.parquet"):
        if path.name not in wanted:
            path.unlink()
    return made


def make_shard(piece: Piece) -> Shard:
    """Make one shard, unless it is there."""
    keys, failed = [], []
    clips: list[Clip] = []
    for clip in piece.clips:
        try:
            keys.append(content_key(clip, piece.root, piece.parameters))
            clips.append(clip)
        except DatasetError as error:
            failed.append(error.message)
    key = hashlib.blake2b(b"".join(keys), digest_size=8).hexdigest()
    name = f"shard-{piece.number:05d}-{key}.parquet"
    target = piece.folder / name
    if target.is_file():
        rows, seconds, before = _facts(target)
        return Shard(piece.number, name, rows, seconds, tuple(before), kept=True)
    rows_made: list[tuple[Clip, Made]] = []
    for clip in clips:
        try:
            rows_made.append((clip, make_features(clip, piece.root, piece.parameters)))
        except DatasetError as error:
            failed.append(error.message)
        except ConfigError as error:  # sound of a rate that cannot be converted
            failed.append(f"clip {clip.clip}: {error.message}")
    seconds = sum(made.seconds for _, made in rows_made)
    _write(target, rows_made, seconds, failed)
    return Shard(piece.number, name, len(rows_made), seconds, tuple(failed), kept=False)


def read_shards(folder: str | Path) -> Iterator[tuple[Clip, Made]]:
    """Yield every clip with its array, shard by shard.

    Raises:
        DatasetError: There is no shard.
        UnavailableError: PyArrow is not installed.
    """
    paths = sorted(Path(folder).glob("shard-*.parquet"))
    if not paths:
        raise DatasetError(f"{folder} has no shards", hint="edge-emo datasets shards MANIFEST DIR")
    parquet = load("pyarrow.parquet")
    for path in paths:
        for row in parquet.read_table(path).to_pylist():
            data = np.frombuffer(row["data"], dtype=row["dtype"]).reshape(row["shape"])
            yield Clip(**json.loads(row["clip"])), Made(row["kind"], data, row["seconds"])


def _pieces(manifest: Path, root: Path, folder: Path, parameters: Parameters) -> Iterator[Piece]:
    clips = iter_clips(manifest)
    number = 0
    while some := tuple(islice(clips, CLIPS)):
        yield Piece(number, some, root, folder, parameters)
        number += 1


def _write(target: Path, rows: list[tuple[Clip, Made]], seconds: float, failed: list[str]) -> None:
    arrow, parquet = load("pyarrow"), load("pyarrow.parquet")
    columns: dict[str, list[Any]] = {
        "clip": [json.dumps(asdict(clip), ensure_ascii=False) for clip, _ in rows],
        "split": [clip.split for clip, _ in rows],
        "label": [clip.label for clip, _ in rows],
        "kind": [made.kind for _, made in rows],
        "seconds": [made.seconds for _, made in rows],
        "dtype": [made.data.dtype.str for _, made in rows],
        "shape": [list(made.data.shape) for _, made in rows],
        "data": [made.data.tobytes() for _, made in rows],
    }
    table = arrow.table(columns, schema=_schema(arrow))
    facts = {"seconds": str(seconds), "failed": json.dumps(failed, ensure_ascii=False)}
    table = table.replace_schema_metadata(facts)
    part = target.with_suffix(".part")
    parquet.write_table(table, part, compression="zstd")
    part.replace(target)


def _schema(arrow: Any) -> Any:
    text = arrow.string()
    return arrow.schema(
        [
            *((name, text) for name in ("clip", "split", "label", "kind")),
            ("seconds", arrow.float64()),
            ("dtype", text),
            ("shape", arrow.list_(arrow.int64())),
            ("data", arrow.binary()),
        ]
    )


def _facts(path: Path) -> tuple[int, float, list[str]]:
    metadata = load("pyarrow.parquet").read_metadata(path)
    facts = metadata.metadata
    return metadata.num_rows, float(facts[b"seconds"]), json.loads(facts[b"failed"])
