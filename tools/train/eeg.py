"""Train the EEG model: rest against mental arithmetic on EEGMAT, by subject, for any montage.

    python tools/train/eeg.py cross --data FILE.npz --cache FILE.npz
    python tools/train/eeg.py manifest --data FILE.npz --out DIR
    python tools/train/eeg.py export --data FILE.npz --cache FILE.npz
    python tools/train/eeg.py folds --data FILE.npz --cache FILE.npz --folds DIR
    python tools/train/eeg.py score --data FILE.npz --folds DIR --manifests DIR
    python tools/train/eeg.py dasps --data DASPS.npz --take

``FILE.npz`` of ``--data`` holds EEGMAT: arrays ``SubjectNN_1`` (rest) and ``SubjectNN_2``
(arithmetic) of shape (channels, samples), ``channels``, ``rate_hz`` and ``unit_uv``.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import calibrate
import eeg_card
import eeg_dasps
import export
import numpy as np
import numpy.typing as npt
import personal
from eeg_data import (
    MONTAGES,
    REST_S,
    Recording,
    Windows,
    channel_mask,
    random_fit,
    read_recordings,
    read_windows,
    table,
)
from personal import Choice, PersonalNet, Table
from personal_score import BASELINE, Fold, score_folds
from verbs import run_verb

from edge_emo.features.eeg import FEATURES, PERSONAL

MODEL = "eeg-load-small"
LABELS = ("rest", "load")
FOLDS, INNER, TEMPER, SEED = 7, 3, 8, 0
RANDOM_MONTAGES = 2
ONLY_PERSONAL = [FEATURES.index(name) for name in PERSONAL]
CLIPS_S = (4, 10, 30)
TRIED = Path(__file__).with_name("eeg_tried.json")


def run_cross(args: argparse.Namespace) -> None:
    """Print figures of 4 and 10 s windows by montage and fold, the choice made inside."""
    windows = read_windows(args.data, args.cache)
    tables = _tables(windows)
    scores = {name: np.zeros((2, len(one))) for name, one in tables.items()}
    for out in personal.folds(windows.subject.numpy(), FOLDS, SEED):
        net, _ = _train(tables, out)
        for name in MONTAGES:
            is_out = np.isin(tables[name].subject, out)
            for told in (False, True):
                part = tables[name].take(is_out)
                scores[name][int(told), is_out] = personal.evidence(net, part, told=told)
    for name in MONTAGES:
        for told in (False, True):
            figures = _figures(tables[name], scores[name][int(told)])
            print(json.dumps({"montage": name, "baseline": told, **figures}), flush=True)


def run_manifest(args: argparse.Namespace) -> None:
    """Write signal files and manifests of clips, each subject's rest in a split of its own."""
    args.out.mkdir(parents=True, exist_ok=True)
    recordings = read_recordings(args.data)
    for channels in MONTAGES.values():
        count = len(channels) or len(recordings[0].channels)
        for recording in recordings:
            _write_signal(args.out / f"{_stem(recording)}-{count}ch.npz", recording, channels)
        for length_s in CLIPS_S:
            rows = [row for one in recordings for row in _clips(one, length_s, count)]
            path = args.out / _manifest(length_s, count)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            print(f"{path}: {len(rows)} clips")


def run_export(args: argparse.Namespace) -> None:
    """Train on all subjects and export the package, without any evaluation yet."""
    windows = read_windows(args.data, args.cache)
    tables = _tables(windows)
    net, choice = _train(tables, np.array([], np.int64))
    package = eeg_card.package(MODEL, LABELS, calibrate.reliability(choice.recall, len(LABELS)))
    training = {
        "subjects": len(np.unique(windows.subject)),
        "windows, all montages": sum(map(len, tables.values())),
        **choice.words,
    }
    record = export.Record(training, _tried(), eeg_card.WORDS)
    export.write_package(net, package, record, _samples(tables), args.out)


def run_folds(args: argparse.Namespace) -> None:
    """Train the recipe without the subjects of each fold, and export each to a folder."""
    windows = read_windows(args.data, args.cache)
    tables = _tables(windows)
    package = eeg_card.package(MODEL, LABELS, 0.5)
    for number, out in enumerate(personal.folds(windows.subject.numpy(), FOLDS, SEED)):
        if args.only and number not in args.only:
            continue
        net, _ = _train(tables, out)
        place = args.folds / str(number) / MODEL
        place.parent.mkdir(parents=True, exist_ok=True)
        record = export.Record({}, [], eeg_card.WORDS)
        export.write_package(net, package, record, _samples(tables), place)


def run_score(args: argparse.Namespace) -> None:
    """Score the folds on their left-out subjects, and take the figures into the package."""
    subjects = np.array([one.subject for one in read_recordings(args.data)])
    folds = [
        Fold(args.folds / str(i) / MODEL, frozenset(f"eegmat/{one:02d}" for one in out))
        for i, out in enumerate(personal.folds(subjects, FOLDS, SEED))
    ]
    export.add_metrics(args.out, {"tried": _tried(), "words": eeg_card.WORDS})
    for entry in _scores(folds, args.manifests, args.length or CLIPS_S):
        export.take_evaluations(args.out, [entry])


def run_dasps(args: argparse.Namespace) -> None:
    """Print how well DASPS is told by the package of load, and by folds over its subjects."""
    rows = []
    for row in itertools.chain(
        eeg_dasps.transferred(args.data, args.package), eeg_dasps.figures(args.data)
    ):
        print(json.dumps(row), flush=True)
        rows.append(row)
    if args.take:
        export.add_metrics(args.package, {"tables": [eeg_dasps.table(rows)]})


def _tables(windows: Windows) -> dict[str, Table]:
    """Return the known montages and some at random."""
    known = {name: table(windows, channel_mask(windows, names)) for name, names in MONTAGES.items()}
    random = {f"random {i}": table(windows, random_fit(windows, i)) for i in range(RANDOM_MONTAGES)}
    return known | random


def _train(tables: dict[str, Table], out: npt.NDArray[np.int64]) -> tuple[PersonalNet, Choice]:
    """Train without some subjects; all choices are made on the others alone."""
    chosen_on = [tables[name] for name in ("19 channels", "4 channels")]
    joint = personal.joined([_without(one, out) for one in chosen_on])
    setup = personal.choose(joint.take(joint.full), ONLY_PERSONAL, INNER, SEED)
    every = personal.joined([_without(one, out) for one in tables.values()])
    choice = personal.temper(every, setup, ONLY_PERSONAL, TEMPER, SEED)
    return personal.train_net(every, choice, ONLY_PERSONAL), choice


def _without(one: Table, out: npt.NDArray[np.int64]) -> Table:
    return one.take(~np.isin(one.subject, out))


def _samples(tables: dict[str, Table]) -> list[export.Sample]:
    return [(row[None],) for row in tables["19 channels"].rows[::97]]


def _tried() -> list[dict[str, Any]]:
    return list(json.loads(TRIED.read_text("utf-8")))


def _scores(
    folds: list[Fold], manifests: Path, lengths_s: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Score 10 s clips of every montage, and other lengths of the largest."""
    for length_s in lengths_s:
        for names in MONTAGES.values():
            count = len(names) or 19
            if length_s != 10 and count != 19:
                continue
            split = f"left-out subjects, {length_s} s, {count} channels"
            for told in (False, True):
                yield score_folds(folds, manifests / _manifest(length_s, count), split, told=told)


def _figures(one: Table, score: personal.Array) -> dict[str, Any]:
    return {
        "windows": len(one),
        "balanced": round(personal.balanced(score, one.label), 3),
        "auc": round(personal.area(score, one.label), 3),
        "auc_interval": personal.interval(personal.area, score, one.label, one.subject, 300),
    }


def _manifest(length_s: int, count: int) -> str:
    return f"load-{length_s}s-{count}ch.jsonl"


def _stem(recording: Recording) -> str:
    return f"Subject{recording.subject:02d}_{recording.label + 1}"


def _write_signal(path: Path, recording: Recording, channels: tuple[str, ...]) -> None:
    names = channels or recording.channels
    columns = [recording.channels.index(name) for name in names]
    np.savez(
        path,
        data=recording.data[:, columns],
        rate_hz=recording.rate_hz,
        channels=np.array(names),
    )


def _clips(recording: Recording, length_s: int, count: int) -> Iterator[dict[str, Any]]:
    """Yield the rest of the first half minute, and clips without overlap of what is left."""
    first_s = 0.0
    if recording.label == 0:
        first_s = REST_S
        yield _clip(recording, BASELINE, None, 0.0, REST_S, count)
    last_s = len(recording.data) / recording.rate_hz
    for start_s in np.arange(first_s, last_s - length_s + 0.01, length_s):
        label = LABELS[recording.label]
        yield _clip(recording, "left-out", label, float(start_s), start_s + length_s, count)


def _clip(
    recording: Recording, split: str, label: str | None, first_s: float, last_s: float, count: int
) -> dict[str, Any]:
    return {
        "clip": f"eegmat/{_stem(recording)}-{first_s:g}-{last_s:g}-{count}ch-{split}",
        "corpus": "eegmat",
        "modality": "eeg",
        "path": f"{_stem(recording)}-{count}ch.npz",
        "start_s": first_s,
        "end_s": float(last_s),
        "speaker": f"eegmat/{recording.subject:02d}",
        "split": split,
        "label": label,
        "perspective": "felt",
        "licence": "ODC-BY-1.0",
    }


def _options(one: argparse.ArgumentParser, name: str) -> None:
    if name in ("export", "score"):
        one.add_argument("--out", type=Path, default=Path("models") / MODEL)
    if name in ("folds", "score"):
        one.add_argument("--folds", type=Path, required=True, help="packages of the folds")
    if name == "dasps":
        one.add_argument("--package", type=Path, default=Path("models") / MODEL)
        one.add_argument("--take", action="store_true", help="into its metrics.json and card")
    if name == "folds":
        one.add_argument("--only", type=int, nargs="*", help="numbers of folds")
    if name == "score":
        one.add_argument("--manifests", type=Path, required=True, help="from manifest")
        one.add_argument("--length", type=int, nargs="*", choices=CLIPS_S, help="seconds")


VERBS = {
    "cross": run_cross,
    "manifest": run_manifest,
    "export": run_export,
    "folds": run_folds,
    "score": run_score,
    "dasps": run_dasps,
}

if __name__ == "__main__":
    run_verb(__doc__, VERBS, _options, "eegmat_128hz.npz", "spectra")
