"""Train the model of body signals: rest against stress tasks on Stress-Predict, by subject.

    python tools/train/physio.py cross --data FILE.npz --cache FILE.npz
    python tools/train/physio.py manifest --data FILE.npz --out DIR
    python tools/train/physio.py heart --data FILE.npz
    python tools/train/physio.py export --data FILE.npz --cache FILE.npz --manifests DIR
    python tools/train/physio.py score --data FILE.npz --cache FILE.npz --manifests DIR

``FILE.npz`` of ``--data`` holds Stress-Predict: arrays SNN_BVP, SNN_EDA, SNN_TEMP, SNN_HR and
SNN_IBI with their starts, and SNN_tags, the button presses.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import calibrate
import export
import numpy as np
import personal
import physio_card
import physio_data
from personal_score import BASELINE, Fold, score_folds
from physio_data import RATE_HZ, STRESS, Person
from verbs import run_verb

from edge_emo.features.physio import FEATURES, PERSONAL, find_beats

MODEL = "physio-stress-small"
FOLDS, INNER, SEED = 8, 6, 0
ONLY_PERSONAL = [FEATURES.index(name) for name in PERSONAL]
CLIPS = {"60 s": "stress-60s.jsonl", "whole periods": "stress-periods.jsonl"}
TRIED = Path(__file__).with_name("physio_tried.json")


def run_cross(args: argparse.Namespace) -> None:
    """Print figures of windows and periods by folds over subjects, the choice made inside."""
    table = physio_data.read_table(_people(args), args.cache)
    scores = np.zeros((2, len(table)))
    for out in personal.folds(table.subject, FOLDS, SEED):
        is_out = np.isin(table.subject, out)
        train = table.take(~is_out)
        net, _ = _train(train, INNER)
        for told in (False, True):
            scores[int(told), is_out] = personal.evidence(net, table.take(is_out), told=told)
    for told, score in zip((False, True), scores, strict=True):
        print(json.dumps({"baseline": told, **_figures(table, score)}))


def run_manifest(args: argparse.Namespace) -> None:
    """Write signal files and manifests of clips, each subject's rest in a split of its own."""
    args.out.mkdir(parents=True, exist_ok=True)
    people = _people(args)
    for one in people:
        np.savez(
            args.out / f"S{one.subject:02d}.npz",
            data=one.data[:, :2],
            rate_hz=RATE_HZ,
            channels=np.array(physio_data.CHANNELS[:2]),
        )
    for name, file in CLIPS.items():
        rows = [row for one in people for row in _clips(one, whole=name == "whole periods")]
        lines = "\n".join(json.dumps(row) for row in rows) + "\n"
        (args.out / file).write_text(lines, encoding="utf-8")
        print(f"{args.out / file}: {len(rows)} clips")


def run_heart(args: argparse.Namespace) -> None:
    """Compare heart rate with the device's own and with its own intervals, minute by minute."""
    print(json.dumps(heart_figures(physio_data.read_people(args.data))))


def run_export(args: argparse.Namespace) -> None:
    """Train on all subjects, export, and score the recipe on left-out subjects."""
    people = _people(args)
    table = physio_data.read_table(people, args.cache)
    net, choice = _train(table, FOLDS)
    package = physio_card.package(MODEL, calibrate.reliability(choice.recall, 2))
    heart = heart_figures(physio_data.read_people(args.data))
    training = {
        "subjects": len(people),
        "windows": len(table),
        **choice.words,
        "heart rate": heart,
    }
    record = export.Record(training, json.loads(TRIED.read_text("utf-8")), physio_card.WORDS)
    export.write_package(net, package, record, _samples(table), args.out)
    _score(args, table, package)


def run_score(args: argparse.Namespace) -> None:
    """Score the recipe on left-out subjects, and take figures and words into the package."""
    table = physio_data.read_table(_people(args), args.cache)
    _score(args, table, physio_card.package(MODEL, 0.5))
    export.add_metrics(args.out, {"words": physio_card.WORDS})


def _samples(table: personal.Table) -> list[export.Sample]:
    return [(row[None],) for row in table.rows[::199]]


def _score(args: argparse.Namespace, table: personal.Table, package: export.Package) -> None:
    with tempfile.TemporaryDirectory() as folder:
        folds = _export_folds(table, package, _samples(table), Path(folder))
        entries = [
            score_folds(folds, args.manifests / file, f"left-out subjects, {name}", told=told)
            for name, file in CLIPS.items()
            for told in (False, True)
        ]
    export.take_evaluations(args.out, entries)


def heart_figures(people: list[Person]) -> dict[str, float]:
    """Return mean absolute errors in beats per minute over minutes without overlap.

    The device publishes its rate late, so it is also compared with its rate 30 s later.
    """
    table = np.array([row for one in people for row in _minutes(one)])
    share, told, late, beats, covered = table.T
    usable, steady = np.isfinite(told), share > 0
    sure = usable & (covered >= 0.5)
    return {
        "minutes": len(table),
        "share with beats": round(float(usable.mean()), 3),
        "share with a steady pulse": round(float(steady.mean()), 3),
        "error where steady": _mean(told[steady]),
        "error where steady, against 30 s later": _mean(late[steady]),
        "error wherever there are beats": _mean(told[usable]),
        "error against its intervals, where they cover half": _mean(beats[sure]),
    }


def _mean(errors: personal.Array) -> float:
    return round(float(np.nanmean(errors)), 2)


def _minutes(person: Person) -> Iterator[tuple[float, ...]]:
    """Yield whether the pulse is steady, three errors, and what the device's intervals cover."""
    seconds, rate = person.heart_rate.T
    for first_s in range(60, int(seconds[-1]) - 90, 60):
        beats = find_beats(person.cut(first_s, first_s + 60)[:, 0], RATE_HZ)
        at = person.intervals[:, 0]
        own = person.intervals[(at >= first_s) & (at < first_s + 60), 1]
        means = [
            rate[(seconds >= first_s + lag_s) & (seconds < first_s + lag_s + 60)].mean()
            for lag_s in (0, 30)
        ]
        against = 60.0 / own.mean() if len(own) else np.nan
        errors = [abs(beats.rate_bpm - mean) for mean in (*means, against)]
        yield float(beats.is_steady), *errors, own.sum() / 60.0


def _export_folds(
    table: personal.Table, package: export.Package, samples: list[export.Sample], folder: Path
) -> list[Fold]:
    folds = []
    for number, out in enumerate(personal.folds(table.subject, FOLDS, SEED)):
        train = table.take(~np.isin(table.subject, out))
        net, _ = _train(train, INNER)
        place = folder / str(number) / package.id
        place.parent.mkdir()
        export.write_package(net, package, export.Record({}, [], physio_card.WORDS), samples, place)
        folds.append(Fold(place, frozenset(f"stress-predict/{one:02d}" for one in out)))
    return folds


def _train(table: personal.Table, count: int) -> tuple[personal.PersonalNet, personal.Choice]:
    """Train; all choices are made by so many folds over the same subjects."""
    setup = personal.choose(table, ONLY_PERSONAL, count, SEED, by_part=True)
    choice = personal.temper(table, setup, ONLY_PERSONAL, count, SEED)
    return personal.train_net(table, choice, ONLY_PERSONAL), choice


def _figures(table: personal.Table, score: personal.Array) -> dict[str, Any]:
    mean, label, subject = personal.parts(table, score)
    return {
        "windows": len(table),
        "balanced": round(personal.balanced(score, table.label), 3),
        "auc": round(personal.area(score, table.label), 3),
        "period_balanced": round(personal.balanced(mean, label), 3),
        "period_interval": personal.interval(personal.balanced, mean, label, subject),
        "period_auc": round(personal.area(mean, label), 3),
        "period_p": round(personal.by_luck(personal.balanced, mean, label, subject), 4),
    }


def _people(args: argparse.Namespace) -> list[Person]:
    return physio_data.usable(physio_data.read_people(args.data))


def _clips(person: Person, *, whole: bool) -> Iterator[dict[str, Any]]:
    """Yield the rest, then clips of 60 s or of whole periods."""
    yield _clip(person, BASELINE, None, *physio_data.rest_span(person))
    for number, first_s, last_s in physio_data.scored_periods(person):
        label = "stress" if number in STRESS else "baseline"
        step_s = last_s - first_s if whole else 60.0
        for start_s in np.arange(first_s, last_s - step_s + 0.01, step_s):
            yield _clip(person, "left-out", label, float(start_s), float(start_s) + step_s)


def _clip(
    person: Person, split: str, label: str | None, first_s: float, last_s: float
) -> dict[str, Any]:
    return {
        "clip": f"stress-predict/{person.subject:02d}-{first_s:.0f}-{last_s:.0f}-{split}",
        "corpus": "stress-predict",
        "modality": "physio",
        "path": f"S{person.subject:02d}.npz",
        "start_s": round(first_s, 2),
        "end_s": round(last_s, 2),
        "speaker": f"stress-predict/{person.subject:02d}",
        "split": split,
        "label": label,
        "perspective": "felt",
        "licence": "MIT",
    }


def _options(one: argparse.ArgumentParser, name: str) -> None:
    if name in ("export", "score"):
        one.add_argument("--out", type=Path, default=Path("models") / MODEL)
        one.add_argument("--manifests", type=Path, required=True, help="from manifest")


VERBS = {
    "cross": run_cross,
    "manifest": run_manifest,
    "heart": run_heart,
    "export": run_export,
    "score": run_score,
}

if __name__ == "__main__":
    run_verb(__doc__, VERBS, _options, "stress_predict_e4.npz", "features")
