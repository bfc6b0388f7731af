"""From a float model and real inputs to a package of candidates that were measured and passed."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Event, Lock, Semaphore
from typing import Any

import numpy as np

from edge_emo.compile.child import ChildError, run_in_child
from edge_emo.compile.gates import Answers, Figures, loses, loss, measure, put_out, rejection, saves
from edge_emo.compile.graph import read_graph, write_named
from edge_emo.compile.package import read_figures, rows_of, work_folder, write_package
from edge_emo.compile.samples import LEAST, Samples, read_samples, shared_inputs
from edge_emo.compile.sensitivity import ends, worst
from edge_emo.compile.source import Source, open_source
from edge_emo.compile.targets import KINDS, TARGETS, TUNED, Target
from edge_emo.errors import ConfigError, DatasetError, ModelError, UnavailableError
from edge_emo.manifest import MANIFEST, PrivateKey, read_package
from edge_emo.manifest.write import to_toml
from edge_emo.runtime.base import LoadedModel
from edge_emo.runtime.choose import Candidate, load_candidate
from edge_emo.vendor import VENDORS, installed

logger = logging.getLogger(__name__)

TIMEOUT_S = 240.0
"""Longest that one step of one candidate may take; the default packages take under a tenth."""
MOST_CALIBRATION = 512
"""Calibration inputs that are used, spread evenly over those given."""
_HELD_OUT = 4
"""Every fourth of them is held out."""
_WORK = "edge_emo.compile.work:"
_AT_ONCE = 2
"""Child processes that run at once where there are as many cores; each takes about a gigabyte."""

Progress = Callable[[str], None]
"""Told in words what begins."""


@dataclass(frozen=True, slots=True)
class Data:
    """Where representative inputs come from.

    Attributes:
        path: A manifest of clips (.jsonl) or an .npz: see ``samples.read_samples``.
        root: Folder that the clips' paths are relative to; the manifest's own when None.
        split: Only clips of this split; None for all.
        baseline_split: Clips of this split are each speaker's rest.
    """

    path: Path
    root: Path | None = None
    split: str | None = None
    baseline_split: str | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """What came out.

    Attributes:
        folder: The package.
        figures: All candidates, kept and rejected.
    """

    folder: Path
    figures: tuple[Figures, ...]


@dataclass
class _Bench:
    """What all candidates of one compilation share."""

    source: Source
    work: Path
    named: Path
    validation: Samples
    held_out: int
    progress: Progress
    timeout_s: float
    in_float: list[str] = field(default_factory=list)
    unranked: str = ""
    untuned: str = ""
    once: Lock = field(default_factory=Lock)
    slots: Semaphore = field(default_factory=lambda: Semaphore(min(_AT_ONCE, os.cpu_count() or 1)))
    stopped: Event = field(default_factory=Event)

    @property
    def tuned(self) -> Path:
        """Where the network is after fine-tuning."""
        return self.work / "tuned.onnx"

    reference: Answers | None = None

    @cached_property
    def ends(self) -> tuple[str, ...]:
        """Nodes at the ends of the network that are never made int8."""
        return ends(self.source.package, read_graph(self.named))

    @property
    def own(self) -> Figures:
        """Figures of the float model itself, by which the float32 candidates are judged."""
        assert self.reference is not None  # _prepared ran
        blank = Figures("", "float32", self.source.file.path)
        package, ours = self.source.package, self.reference
        return measure(package, self.validation, ours, ours, blank)

    def child(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Do work in a child process when there is room for one more."""
        with self.slots:
            return run_in_child(f"{_WORK}{name}", arguments, self.timeout_s, self.stopped)


def compile_package(
    model: str,
    targets: Sequence[str],
    *,
    validation: Data,
    calibration: Data | None,
    out: Path,
    kinds: Sequence[str] = KINDS,
    folders: Sequence[str | Path] = (),
    key: PrivateKey | None = None,
    judged_on: str = "",
    timeout_s: float = TIMEOUT_S,
    progress: Progress = logger.info,
) -> Compiled:
    """Make, measure and gate every candidate of the targets, and write the package.

    Args:
        model: Id or folder of a package, or an ONNX file beside its ``model.toml``.
        targets: Names of targets.
        validation: What candidates are judged on; labelled.
        calibration: What ranges and temperatures are taken from: data that is not judged on.
        out: Folder of packages that the new one goes into.
        kinds: Candidates to try; float32, by which the others are judged, is always among them.
        folders: The user's own folders of packages.
        key: Signs the package; None leaves it unsigned.
        judged_on: The validation data in words, for the package's metrics.
        timeout_s: Longest that one step of one candidate may take.
        progress: Told what begins.

    Raises:
        ConfigError: There is no such target, or no calibration data, or it is most of what
            judges; or ``out`` may not be written.
        UnavailableError: A tool is not installed; the hint is the line that installs it.
        DatasetError: The data is wrong or too little.
        ModelError: The model is wrong, nothing passed for a target, or the package cannot be
            written. No half package is left.
    """
    _check_arguments(targets, validation, calibration)
    _check_tools(targets)
    _check_place(out)
    assert calibration is not None  # checked
    with work_folder() as work:
        source = open_source(model, work, folders)
        read_figures(source.package.folder)  # those of other targets stay
        progress(f"{source.package.id}: reading the inputs")
        reader = load_candidate(
            source.package, Candidate("onnx", source.file.path, source.file.precision)
        )
        seen, judged = (_read(source, data, reader, progress) for data in (calibration, validation))
        _refuse_seen(validation, judged, seen, progress)
        bench = _prepared(source, work, seen, judged, progress, timeout_s)
        tried = [kind for kind in KINDS if kind in ("float32", *kinds)]
        chosen = [TARGETS[name] for name in dict.fromkeys(targets)]
        made = _all_measured(bench, chosen, tried)
        figures = [
            one
            for target, measured in zip(chosen, made, strict=True)
            for one in _gated(target, _timed(bench, target, measured))
        ]
        _refuse_empty(source, targets, figures)
        progress(f"{source.package.id}: writing the package")
        return Compiled(write_package(source, figures, work, out, key, judged_on), tuple(figures))


def _check_arguments(targets: Sequence[str], validation: Data, calibration: Data | None) -> None:
    unknown = [name for name in targets if name not in TARGETS]
    if unknown or not targets:
        raise ConfigError(
            f"there is no target {', '.join(unknown) or 'named'}",
            hint=f"choose from: {', '.join(TARGETS)}, all",
        )
    if calibration is None:
        raise ConfigError(
            "there is no calibration data, and int8 needs the ranges of real inputs",
            hint="name clips or inputs that are not judged on: --calibration FILE",
        )
    if _are_shared(validation, calibration):
        raise ConfigError(
            f"{validation.path} would both give the ranges and judge them",
            hint="give two files, or one of clips with --split NAME and --calibration-split NAME",
        )


def _are_shared(one: Data, other: Data) -> bool:
    """Tell whether two sorts of data have inputs in common."""
    apart = None not in (one.split, other.split) and one.split != other.split
    return one.path.resolve() == other.path.resolve() and not apart


def _refuse_seen(data: Data, judged: Samples, seen: Samples, progress: Progress) -> None:
    """Refuse what judges where most of it gives the ranges, as of a copied file; tell of less.

    Some may be alike by chance, such as short texts.
    """
    shared = shared_inputs(judged, seen)
    words = f"{shared} of {len(judged)} inputs of {data.path} give the ranges too"
    if shared > len(judged) / 2:
        raise ConfigError(words, hint="judge by inputs of people that nothing is calibrated on")
    if shared:
        progress(words)


def _check_tools(targets: Sequence[str]) -> None:
    """Refuse to begin without what makes the files; nothing is imported here."""
    for name in targets:
        for module in TARGETS[name].tools:
            if not installed(module):
                raise UnavailableError(
                    f"compiling for {name} needs {module}", hint=VENDORS[module].install
                )


def _check_place(out: Path) -> None:
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError(
            f"no package can be written to {out}: {place} is no folder that may be written",
            hint="name another folder: --out DIR",
        )


def _read(source: Source, data: Data, model: LoadedModel, progress: Progress) -> Samples:
    def tell(done: int, total: int) -> None:
        if done == total or done % 500 == 0:
            progress(f"{data.path.name}: {done} of {total} clips")

    return read_samples(
        source.package,
        data.path,
        data.root,
        model=model,
        baseline_split=data.baseline_split,
        split=data.split,
        progress=tell,
    )


def _prepared(
    source: Source,
    work: Path,
    seen: Samples,
    judged: Samples,
    progress: Progress,
    timeout_s: float,
) -> _Bench:
    """Write the inputs for the child processes, and run the float model over them."""
    if len(seen) < LEAST:
        raise DatasetError(
            f"the calibration data has {len(seen)} inputs; ranges need at least {LEAST}",
            hint="give more clips, of all conditions that the device will meet",
        )
    chosen = np.unique(np.linspace(0, len(seen) - 1, MOST_CALIBRATION).round().astype(int))
    held = chosen[::_HELD_OUT]
    ranges = np.setdiff1d(chosen, held)
    _save(work / "calibration.npz", _letters(seen, ranges, "a") | _letters(seen, held, "b"))
    both = [np.concatenate([j, s[held]]) for j, s in zip(judged.inputs, seen.inputs, strict=True)]
    _save(work / "inputs.npz", {f"a{k}": array for k, array in enumerate(both)})
    named = work / "named.onnx"
    write_named(source.path, named)
    bench = _Bench(source, work, named, judged, len(held), progress, timeout_s)
    progress(f"{source.package.id}: running the float model")
    table = {**source.table, "files": [r for r in source.table["files"]
                                       if r["path"] == source.file.path]}  # fmt: skip
    folder = _package(bench, "reference", table, source.package.folder)
    try:
        _, bench.reference = _judged(bench, folder, source.file.path, "onnx")
    except ChildError as error:
        raise ModelError(
            f"the float model of {source.package.id} cannot be run: {error.message}",
            hint="mend what the reason names, or give it longer: --timeout S",
        ) from error
    return bench


def _save(path: Path, arrays: dict[str, Any]) -> None:
    np.savez(path, **arrays)


def _letters(samples: Samples, rows: Any, letter: str) -> dict[str, Any]:
    return {f"{letter}{k}": array[rows] for k, array in enumerate(samples.inputs)}


def _all_measured(
    bench: _Bench, targets: Sequence[Target], kinds: Sequence[str]
) -> list[list[Figures]]:
    """Return the figures of each target's candidates without times; targets run side by side."""
    with ThreadPoolExecutor(len(targets)) as pool, ExitStack() as failed:
        failed.callback(bench.stopped.set)
        measured = list(pool.map(lambda target: _candidates(bench, target, kinds), targets))
        failed.pop_all()
    return measured


def _candidates(bench: _Bench, target: Target, kinds: Sequence[str]) -> list[Figures]:
    """Make and judge a target's candidates."""
    (bench.work / target.name).mkdir()
    measured = [_tried(bench, target, kind) for kind in kinds]
    judged = [one for one in measured if one.kind.startswith("int8") and one.score is not None]
    worthwhile = measured[0].kept and any(saves(one, measured[0]) for one in judged)
    if worthwhile and all(loses(one, measured[0]) for one in judged):
        measured.append(_tried(bench, target, TUNED))
    return measured


def _gated(target: Target, timed: Sequence[Figures]) -> list[Figures]:
    """Return the figures of a target's candidates with the reason of each that is rejected."""
    base = timed[0]
    gated = [base] + [
        replace(one, reason=one.reason or rejection(one, base, timed=target.timed))
        for one in timed[1:]
    ]
    reasons = put_out([one for one in gated if one.kept], timed=target.timed)
    return [replace(one, reason=reasons.get(one.path, one.reason)) for one in gated]


def _tried(bench: _Bench, target: Target, kind: str) -> Figures:
    made = _made(bench, target, kind)
    return _measured(bench, target, made) if made.kept else made


def _made(bench: _Bench, target: Target, kind: str) -> Figures:
    blank = Figures(target.name, kind, target.file(kind, bench.source.file.path))
    bench.progress(f"{target.name} {kind}: making {blank.path}")
    if kind.startswith("int8"):
        blank = replace(blank, in_float=bench.ends)
    if kind == "int8-mixed":
        _rank(bench)
        in_float = tuple(dict.fromkeys((*bench.in_float, *blank.in_float)))
        blank = replace(blank, in_float=in_float, reason=bench.unranked)
    if kind == TUNED:
        blank = replace(blank, reason=_tune(bench))
    if not blank.kept:
        return blank
    folder = bench.work / target.name
    source = bench.tuned if kind == TUNED else bench.named
    if blank.path == bench.source.file.path:
        (folder / blank.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(bench.source.path, folder / blank.path)
        return replace(blank, bytes=bench.source.file.bytes)
    calibration = str(bench.work / "calibration.npz") if kind.startswith("int8") else ""
    try:
        bench.child(
            "make",
            {
                "target": target.name,
                "kind": kind,
                "source": str(source),
                "path": str(folder / blank.path),
                "calibration": calibration,
                "in_float": list(blank.in_float),
                "folder": str(bench.work / "packages" / "reference" / bench.source.package.id),
            },
        )
    except ChildError as error:
        return replace(blank, reason=f"cannot be made: {error.message}")
    return replace(blank, bytes=_size(folder / blank.path))


def _rank(bench: _Bench) -> None:
    """Find the layers that lose most in int8: once, when they are first asked for."""
    with bench.once:
        if bench.in_float or bench.unranked:
            return
        bench.progress(f"{bench.source.package.id}: ranking the layers by their loss in int8")
        arguments = {"source": str(bench.named), "calibration": str(bench.work / "calibration.npz")}
        try:
            answer = bench.child("rank", arguments)
        except ChildError as error:
            bench.unranked = f"its layers cannot be ranked: {error.message}"
        else:
            errors = {k: error for k, error in answer["errors"].items() if k not in bench.ends}
            bench.in_float = worst(errors)
            bench.unranked = "" if bench.in_float else "it has no layer to leave in float32"


def _tune(bench: _Bench) -> str:
    """Fine-tune the network for int8, once; return why that is impossible, empty when it is not."""
    with bench.once:
        if not bench.tuned.exists() and not bench.untuned:
            bench.progress(f"{bench.source.package.id}: fine-tuning for int8")
            places = {"source": bench.named, "path": bench.tuned,
                      "calibration": bench.work / "calibration.npz"}  # fmt: skip
            try:
                bench.child("tuned", {k: str(v) for k, v in places.items()})
            except ChildError as error:
                bench.untuned = f"cannot be fine-tuned: {error.message}"
    return bench.untuned


def _measured(bench: _Bench, target: Target, one: Figures) -> Figures:
    bench.progress(f"{target.name} {one.kind}: judging {one.path}")
    assert bench.reference is not None  # _prepared ran
    table = {**bench.source.table, "files": rows_of([one], bench.source, bench.work)}
    folder = _package(bench, f"{target.name}-{one.kind}", table, bench.work / target.name)
    try:
        peak_mb, answers = _judged(bench, folder, one.path, target.backend)
    except ChildError as error:
        return replace(one, reason=f"does not run on {target.backend}: {error.message}")
    found = measure(bench.source.package, bench.validation, bench.reference, answers, one)
    reason = loss(found, bench.own) if one.kind == "float32" else ""
    return replace(found, peak_mb=peak_mb, reason=reason)


def _judged(bench: _Bench, folder: Path, path: str, backend: str) -> tuple[float, Answers]:
    outputs = folder.with_suffix(".npz")
    answer = bench.child(
        "judge",
        {
            "folder": str(folder),
            "path": path,
            "backend": backend,
            "inputs": str(bench.work / "inputs.npz"),
            "outputs": str(outputs),
        },
    )
    with np.load(outputs) as file:
        arrays = {name: file[name] for name in file.files}
    outputs.unlink()
    count = len(bench.validation)
    judged = {name: array[:count] for name, array in arrays.items()}
    held_out = {name: array[count:] for name, array in arrays.items()}
    return float(answer["peak_mb"]), Answers(judged, held_out)


def _timed(bench: _Bench, target: Target, figures: Sequence[Figures]) -> list[Figures]:
    """Add the times, taken by turns in one process."""
    running = [one for one in figures if one.kept]
    if not running:
        return list(figures)
    bench.progress(f"{target.name}: timing {len(running)} files by turns")
    table = {**bench.source.table, "files": rows_of(running, bench.source, bench.work)}
    folder = _package(bench, f"{target.name}-all", table, bench.work / target.name)
    arguments = {"folder": str(folder), "backend": target.backend}
    try:
        times = bench.child("clock", arguments)
    except ChildError as error:
        return [replace(one, reason=one.reason or f"cannot be timed: {error.message}")
                for one in figures]  # fmt: skip
    return [_with_time(one, times.get(one.path)) for one in figures]


def _with_time(one: Figures, row: dict[str, Any] | None) -> Figures:
    if row is None or not one.kept:
        return one
    return replace(one, **row)


def _package(bench: _Bench, name: str, table: dict[str, Any], files: Path) -> Path:
    """Return a package's folder of the working folder that has these rows of files."""
    folder = bench.work / "packages" / name / bench.source.package.id
    folder.mkdir(parents=True)
    for row in table["files"]:
        place = folder / row["path"]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to((files / row["path"]).resolve())
    (folder / MANIFEST).write_text(to_toml(table), encoding="utf-8")
    read_package(folder)
    return folder


def _size(path: Path) -> int:
    weights = path.with_suffix(".bin")
    return path.stat().st_size + (weights.stat().st_size if path.suffix == ".xml" else 0)


def _refuse_empty(source: Source, targets: Sequence[str], figures: Sequence[Figures]) -> None:
    empty = [name for name in targets if not any(f.kept for f in figures if f.target == name)]
    if empty:
        lines = "".join(
            f"\n  {one.target} {one.kind}: {one.reason}" for one in figures if one.target in empty
        )
        raise ModelError(
            f"no candidate of {source.package.id} passed for {', '.join(empty)}:{lines}",
            hint="compile for the other targets, or mend what the reasons name",
        )
