"""The package that comes out: written beside, then put in place by one rename."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_emo.compile.gates import Figures
from edge_emo.compile.source import Source, target_of
from edge_emo.compile.targets import TARGETS, precision_of
from edge_emo.errors import ModelError
from edge_emo.files import read_regular
from edge_emo.manifest import MANIFEST, PrivateKey, read_package, sign_package
from edge_emo.manifest.write import file_entry, to_toml

METRICS = "metrics.json"
COMPILED = "compiled"
"""Key of the table of candidates in metrics.json."""


def write_package(
    source: Source,
    figures: Sequence[Figures],
    files: Path,
    out: Path,
    key: PrivateKey | None = None,
    judged_on: str = "",
) -> Path:
    """Write the package with the candidates that were kept.

    Files of targets that were not compiled, the card and the float file stay. A former package
    of that name is replaced once the new one is complete.

    Args:
        source: What was compiled.
        figures: All candidates, kept and rejected.
        files: Folder of a folder per target that holds the candidates' files.
        out: The folder of packages; made when absent.
        key: Signs the package; None leaves it unsigned.
        judged_on: The validation data in words; empty for its former ones.

    Returns:
        The package's folder.

    Raises:
        ModelError: It cannot be written: the disk is full, the folder is not writable.
        ModelIntegrityError: A file that stays is missing or altered.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".compile-", dir=out) as folder:
            made = Path(folder) / source.package.id
            made.mkdir()
            _fill(source, figures, files, made)
            _write_metrics(source.package.folder, figures, judged_on, made)
            if key is not None:
                sign_package(made, key)
            read_package(made)
            return _put_in_place(made, out / source.package.id)
    except OSError as error:
        raise ModelError(
            f"the package cannot be written to {out}: {error.strerror}",
            hint="make room or name another folder; nothing of it was left behind",
        ) from error


def rows_of(figures: Sequence[Figures], source: Source, files: Path) -> list[dict[str, Any]]:
    """Return the rows of ``[[files]]`` for the candidates that were kept, the fastest first."""
    kept = sorted(
        (one for one in figures if one.kept), key=lambda one: (one.target, one.cpu_ms or 0.0)
    )
    return [row for one in kept for row in _rows(one, source, files / one.target)]


def _rows(one: Figures, source: Source, folder: Path) -> Iterator[dict[str, Any]]:
    target = TARGETS[one.target]
    precision = precision_of(one.kind, source.file.precision)
    if one.path == source.file.path:
        row = file_entry(folder / one.path, source.file.format, precision)
        yield {**row, "path": one.path}
        return
    extra: dict[str, Any] = {"target": one.target}
    if one.temperature is not None and one.temperature != source.package.temperature:
        extra["temperature"] = one.temperature
    if one.threshold is not None and one.threshold != source.package.features.get("threshold"):
        extra["threshold"] = one.threshold
    yield {**file_entry(folder / one.path, target.format, precision), **extra}
    if target.format == "openvino-ir":
        weights = (folder / one.path).with_suffix(".bin")
        yield {**file_entry(weights, "openvino-bin", precision), "target": one.target}


def read_figures(folder: Path) -> list[dict[str, Any]]:
    """Return the table of candidates that a package keeps; empty when it was never compiled.

    Raises:
        ModelError: ``metrics.json`` is damaged.
    """
    rows = _compiled(_metrics(folder)).get("candidates", [])
    if not isinstance(rows, list) or not all(map(_is_figures, rows)):
        raise _damaged(folder, "its candidates are no table")
    return rows


def _is_figures(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("target"), str)


def _metrics(folder: Path) -> dict[str, Any]:
    """Return what ``metrics.json`` holds; nothing when there is none."""
    try:
        content = json.loads(read_regular(folder / METRICS).decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(folder, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(folder, "it is no JSON object")
    return content


def _compiled(content: Mapping[str, Any]) -> dict[str, Any]:
    found = content.get(COMPILED, {})
    return found if isinstance(found, dict) else {}


def _damaged(folder: Path, reason: str) -> ModelError:
    return ModelError(
        f"{folder / METRICS} cannot be read: {reason}",
        hint="take it from the package again, or remove it",
    )


def _fill(source: Source, figures: Sequence[Figures], files: Path, made: Path) -> None:
    targets = {one.target for one in figures}
    old = source.package.folder
    table = dict(source.table)
    stay = [f for f in source.package.files if target_of(f) not in targets]
    names = {file.path for file in stay}
    rows = [row for row in rows_of(figures, source, files) if row["path"] != source.file.path]
    for file in stay:
        place = made / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source.package.verify(file), place)
    with suppress(FileNotFoundError):
        shutil.copy(old / "card.md", made / "card.md")
    for row in rows:
        shutil.copy(files / row["target"] / row["path"], made / row["path"])
    kept = [row for row in table["files"] if row["path"] in names]
    table["files"] = [*rows, *kept]
    (made / MANIFEST).write_text(to_toml(table), encoding="utf-8")


def _write_metrics(old: Path, figures: Sequence[Figures], judged_on: str, made: Path) -> None:
    targets = {one.target for one in figures}
    content = _metrics(old)
    others = [row for row in read_figures(old) if row["target"] not in targets]
    rows = [*others, *(_plain(one) for one in figures)]
    words = judged_on or _compiled(content).get("judged_on", "")
    content[COMPILED] = {"note": NOTE, "judged_on": words, "candidates": rows}
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (made / METRICS).write_text(text, encoding="utf-8")


NOTE = (
    "Times of one inference on one thread of the machine that compiled, candidates of a target by "
    "turns. Processor time hardly holds what else the machine did; median and 95th percentile do. "
    "Of jetson, by ONNX Runtime on the same processor: they say nothing of a Jetson."
)


def _plain(one: Figures) -> Mapping[str, Any]:
    return {key: value for key, value in asdict(one).items() if value not in (None, (), "", {})}


def _put_in_place(made: Path, place: Path) -> Path:
    former = made.with_name("former")
    with ExitStack() as undo:
        undo.callback(_put_back, former, place)
        if place.exists():
            place.rename(former)
        made.rename(place)
        undo.pop_all()
    return place


def _put_back(former: Path, place: Path) -> None:
    with suppress(OSError):
        former.rename(place)


@contextmanager
def work_folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="edge-emo-compile-") as folder:
        yield Path(folder)
