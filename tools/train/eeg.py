"""Train the EEG model: rest against mental arithmetic on EEGMAT, split by subject.

    python tools/train/eeg.py cross --data FILE.npz --cache FILE.npz --log LOG
    python tools/train/eeg.py manifest --data FILE.npz --out DIR
    python tools/train/eeg.py export --data FILE.npz --cache FILE.npz --log LOG --manifests DIR

``FILE.npz`` of ``--data`` holds EEGMAT: arrays ``SubjectNN_1`` (rest) and ``SubjectNN_2``
(arithmetic) of shape (channels, samples), ``channels``, ``rate_hz`` and ``unit_uv``. Rest
recordings are three times as long as the others, so each batch draws both labels alike.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import calibrate
import eeg_card
import export
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from eeg_data import (
    MONTAGES,
    Recording,
    Windows,
    channel_mask,
    features,
    read_recordings,
    read_windows,
)
from eeg_net import LABELS, RegionNet

from edge_emo.estimators.calibration import expected_calibration_error, fit_temperature, softmax

FOLDS = 7
HELD_OUT = tuple(range(2, 28, 6))
"""Subjects 2, 8, 14, 20, 26: not trained on, nor used to choose a setup. The features were chosen
on all subjects."""

MODEL = "eeg-load-small"
CLIP_S = (4, 30)


@dataclass(frozen=True)
class Setup:
    """One way to train.

    Attributes:
        hidden: Units of the hidden layer; 0 for a linear net.
        dropout: Share of inputs dropped.
        decay: Weight decay of AdamW.
        steps: Batches of 256.
        montages: Train on random montages; False for all channels always.
        references: Train on other references besides the recorded one.
    """

    hidden: int = 0
    dropout: float = 0.2
    decay: float = 1.0
    steps: int = 400
    montages: bool = True
    references: bool = True


SETUPS = {
    "linear, random montages and references": Setup(),
    "linear, random montages": Setup(references=False),
    "linear, all channels as recorded": Setup(montages=False, references=False),
    "linear, weak decay": Setup(decay=0.1),
    "linear, strong decay": Setup(decay=5.0),
    "linear, stronger decay": Setup(decay=20.0),
    "32 hidden units, random montages and references": Setup(hidden=32, dropout=0.4, steps=300),
}
CHOSEN = "linear, strong decay"


# --- training ---------------------------------------------------------------------------------


def train(windows: Windows, rows: torch.Tensor, setup: Setup, seed: int) -> RegionNet:
    """Train on some windows; each batch draws label and subject alike.

    Args:
        windows: All windows.
        rows: (n,) numbers of the windows to train on.
        setup: How.
        seed: Of weights, batches, montages and references.
    """
    torch.manual_seed(seed)
    net = RegionNet(setup.hidden, setup.dropout)
    everything = torch.ones(len(rows), len(windows.montage.names))
    values, mask = features(windows, rows, torch.zeros_like(rows), everything).chunk(2, dim=1)
    net.standardise(values, mask)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=setup.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=setup.steps)
    weights = _balance(windows, rows)
    net.train()
    for _ in range(setup.steps):
        batch = rows[torch.multinomial(weights, 256, replacement=True)]
        inputs = features(windows, batch, _references(setup), _montages(windows, setup))
        loss = F.cross_entropy(net(inputs), windows.label[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval()


def logits(net: RegionNet, windows: Windows, rows: torch.Tensor, fit: torch.Tensor) -> Any:
    """Return logits (n, 2) of windows as recorded with a montage given as (channels,)."""
    with torch.no_grad():
        inputs = features(windows, rows, torch.zeros_like(rows), fit.expand(len(rows), -1))
        return net(inputs).numpy()


def _balance(windows: Windows, rows: torch.Tensor) -> torch.Tensor:
    groups = windows.subject[rows] * 2 + windows.label[rows]
    return 1.0 / torch.bincount(groups)[groups].float()


def _references(setup: Setup) -> torch.Tensor:
    share = torch.tensor([0.6, 0.2, 0.2] if setup.references else [1.0, 0.0, 0.0])
    return torch.multinomial(share, 256, replacement=True)


def _montages(windows: Windows, setup: Setup) -> torch.Tensor:
    """Draw 256 montages: a third all channels, a third the known ones, the others at random."""
    n = len(windows.montage.names)
    everything = torch.ones(256, n)
    if not setup.montages:
        return everything
    known = torch.stack([channel_mask(windows, names) for names in MONTAGES.values()])
    chosen = known[torch.randint(len(known), (256,))]
    random = (torch.rand(256, n) < torch.rand(256, 1) * 0.85 + 0.15).float()
    random[random.sum(1) == 0] = 1.0
    kind = torch.randint(3, (256, 1))
    return torch.where(kind == 0, everything, torch.where(kind == 1, chosen, random))


# --- figures ----------------------------------------------------------------------------------


def cross_validate(
    windows: Windows, subjects: npt.NDArray[np.int64], setup: Setup, seed: int
) -> Mapping[str, npt.NDArray[np.float32]]:
    """Return logits (n, 2) by montage, each window's from a net that never saw its subject."""
    shuffled = np.random.default_rng(seed).permutation(subjects)
    answers = {name: np.full((len(windows), 2), np.nan, np.float32) for name in MONTAGES}
    for fold in range(FOLDS):
        test = _rows(windows, shuffled[fold::FOLDS])
        net = train(windows, _rows(windows, np.setdiff1d(subjects, shuffled[fold::FOLDS])),
                    setup, seed)  # fmt: skip
        for name, channels in MONTAGES.items():
            answers[name][test] = logits(net, windows, test, channel_mask(windows, channels))
    return answers


def window_figures(windows: Windows, answers: npt.NDArray[np.float32]) -> dict[str, float]:
    """Return UAR, AUC and calibration error of windows; UAR and AUC of whole recordings.

    ``auc_within_subject`` is the mean of each subject's own AUC: what is left to gain by
    adapting to a person.
    """
    known = np.flatnonzero(np.isfinite(answers[:, 0]))
    subject, label = windows.subject.numpy()[known], windows.label.numpy()[known]
    kept = answers[known]
    temperature = fit_temperature(kept, label)
    chances = softmax(kept, temperature)
    score = chances[:, 1] - chances[:, 0]
    pairs = sorted({(int(s), int(y)) for s, y in zip(subject, label, strict=True)})
    means = np.array([score[(subject == s) & (label == y)].mean() for s, y in pairs])
    truth = np.array([y for _, y in pairs])
    own = [_auc(score[subject == s], label[subject == s]) for s in np.unique(subject)]
    return {
        "windows": len(known),
        "uar": _uar(score, label),
        "auc": _auc(score, label),
        "ece": round(expected_calibration_error(chances.max(1), chances.argmax(1) == label), 4),
        "recording_uar": _uar(means, truth),
        "recording_auc": _auc(means, truth),
        "auc_within_subject": round(float(np.mean(own)), 4),
    }


def _auc(score: npt.NDArray[np.floating], label: npt.NDArray[np.integer]) -> float:
    """Area under the ROC curve from rank sums (Mann and Whitney); no ties are expected."""
    ranks = np.argsort(np.argsort(score)) + 1
    positive = label == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    return round(float((ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0)), 4)


def _uar(score: npt.NDArray[np.floating], label: npt.NDArray[np.integer]) -> float:
    return round(float(((score[label == 1] > 0).mean() + (score[label == 0] <= 0).mean()) / 2), 4)


def _rows(windows: Windows, subjects: npt.NDArray[np.integer]) -> torch.Tensor:
    return torch.isin(windows.subject, torch.from_numpy(subjects)).nonzero()[:, 0]


# --- verbs ------------------------------------------------------------------------------------


def run_cross(args: argparse.Namespace) -> None:
    """Print figures of the setups by k-fold over the subjects that are not held out."""
    windows = read_windows(args.data, args.cache)
    for name in args.setup or SETUPS:
        for seed in range(args.seeds):
            answers = cross_validate(windows, _training_subjects(windows), SETUPS[name], seed)
            for montage, values in answers.items():
                row = {"setup": name, "seed": seed, "montage": montage}
                _log(args.log, row | window_figures(windows, values))


def run_manifest(args: argparse.Namespace) -> None:
    """Write signal files and manifests of clips of the held-out subjects, both labels alike."""
    args.out.mkdir(parents=True, exist_ok=True)
    kept = [one for one in read_recordings(args.data) if one.subject in HELD_OUT]
    for channels in MONTAGES.values():
        count = len(channels) or len(kept[0].channels)
        for recording in kept:
            _write_signal(args.out / f"{_stem(recording)}-{count}ch.npz", recording, channels)
        for length_s in CLIP_S:
            lines = [json.dumps(row) for row in _clips(kept, length_s, count)]
            path = args.out / f"held-out-{length_s}s-{count}ch.jsonl"
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            print(f"{path}: {len(lines)} clips")


def run_export(args: argparse.Namespace) -> None:
    """Train on all subjects that are not held out; export, and measure on the held-out ones."""
    windows = read_windows(args.data, args.cache)
    subjects = _training_subjects(windows)
    setup = SETUPS[CHOSEN]
    answers = cross_validate(windows, subjects, setup, seed=0)
    temperature = balanced_temperature(windows, answers.values())
    uar = float(np.mean([window_figures(windows, one)["uar"] for one in answers.values()]))
    net = train(windows, _rows(windows, subjects), setup, seed=0)
    rows = _rows(windows, subjects)[::97]
    samples = features(windows, rows, torch.zeros_like(rows), torch.ones(len(rows), 19))
    package = eeg_card.package(MODEL, temperature, calibrate.reliability(uar, len(LABELS)))
    record = eeg_card.record(CHOSEN, setup, subjects, HELD_OUT, _read_log(args.log))
    export.write_package(net, package, record, [(one[None].numpy(),) for one in samples], args.out)
    for length_s in CLIP_S:
        for count in (len(names) or 19 for names in MONTAGES.values()):
            manifest = args.manifests / f"held-out-{length_s}s-{count}ch.jsonl"
            split = f"held-out subjects, {length_s} s, {count} channels"
            export.measure(args.out, split, manifest, ["litert", "onnx"])


def balanced_temperature(windows: Windows, answers: Iterable[npt.NDArray[np.float32]]) -> float:
    """Fit the temperature on out-of-fold logits, load windows as often as rest windows."""
    every, labels = [], []
    for logits_of in answers:
        for label, share in ((0, 1), (1, 3)):
            rows = np.isfinite(logits_of[:, 0]) & (windows.label.numpy() == label)
            every += [logits_of[rows]] * share
            labels += [np.full(rows.sum(), label)] * share
    return round(fit_temperature(np.concatenate(every), np.concatenate(labels)), 4)


def _training_subjects(windows: Windows) -> npt.NDArray[np.int64]:
    return np.setdiff1d(np.unique(windows.subject.numpy()), HELD_OUT)


def _log(path: Path | None, row: Mapping[str, Any]) -> None:
    print(json.dumps(row), flush=True)
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _read_log(path: Path | None) -> list[dict[str, Any]]:
    if path is None:
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _stem(recording: Recording) -> str:
    return f"Subject{recording.subject:02d}_{recording.label + 1}"


def _write_signal(path: Path, recording: Recording, channels: tuple[str, ...]) -> None:
    names = channels or recording.channels
    columns = [recording.channels.index(name) for name in names]
    np.savez_compressed(
        path,
        data=recording.data[:, columns],
        rate_hz=recording.rate_hz,
        channels=np.array(names),
    )


def _clips(recordings: list[Recording], length_s: int, count: int) -> Iterator[dict[str, Any]]:
    """Cut each recording of a subject into as many clips as its shorter one holds."""
    shortest = min(len(one.data) / one.rate_hz for one in recordings)
    pieces = int(shortest // length_s)
    for one in recordings:
        room_s = len(one.data) / one.rate_hz - length_s
        for i in range(pieces):
            start_s = round(room_s * i / max(1, pieces - 1), 2)
            yield {
                "clip": f"eegmat/{_stem(one)}-{start_s:g}-{length_s}s-{count}ch",
                "corpus": "eegmat",
                "modality": "eeg",
                "path": f"{_stem(one)}-{count}ch.npz",
                "start_s": start_s,
                "end_s": start_s + length_s,
                "speaker": f"eegmat/{one.subject:02d}",
                "split": "held-out",
                "label": LABELS[one.label],
                "perspective": "felt",
                "licence": "ODC-BY-1.0",
            }


def main() -> None:
    """Parse the command line and run its verb."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    verbs = parser.add_subparsers(required=True)
    for name, verb in VERBS.items():
        one = verbs.add_parser(name, help=(verb.__doc__ or "").splitlines()[0])
        one.set_defaults(verb=verb)
        one.add_argument("--data", type=Path, required=True, help="eegmat_128hz.npz")
        one.add_argument("--cache", type=Path, help="where to keep the spectra")
        one.add_argument("--log", type=Path, help="figures of cross, JSON lines")
        if name == "cross":
            one.add_argument("--setup", action="append", choices=SETUPS)
            one.add_argument("--seeds", type=int, default=1)
        if name == "manifest":
            one.add_argument("--out", type=Path, required=True)
        if name == "export":
            one.add_argument("--out", type=Path, default=Path("models") / MODEL)
            one.add_argument("--manifests", type=Path, required=True, help="from manifest")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.verb(args)


VERBS = {"cross": run_cross, "manifest": run_manifest, "export": run_export}

if __name__ == "__main__":
    main()
