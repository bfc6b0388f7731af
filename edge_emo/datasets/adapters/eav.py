"""EAV: EEG, sound and pictures of one subject; one clip a trial of 20 s."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.arrays import mat_array
from edge_emo.datasets.tree import Item, Signal, Tree
from edge_emo.errors import DatasetError

_NAME = (
    r"(\d{3})_Trial_(\d{2})_(Listening|Speaking)_"
    r"(Neutral|Sadness|Anger|Happiness|Calmness)(?:_aud)?\.(mp4|wav)"
)
_EMOTIONS = ("Neutral", "Sadness", "Anger", "Happiness", "Calmness")
_TASKS = ("Listening", "Speaking")
_RATE_HZ = 500.0
_CHANNELS = tuple(f"ch{number}" for number in range(1, 31))


class Eav(Adapter):
    """Cue-based conversation with 30 electrodes."""

    name = "eav"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield films, sounds and EEG trials of every subject."""
        for folder in tree.folders():
            match = re.fullmatch(r"subject0*(\d+)_*", folder)
            if match is None:
                continue
            subject = f"{int(match[1]):02d}"
            films = list(tree.matches(_NAME, f"{folder}/Video", (".mp4",)))
            for path, named in films:
                yield _media(tree, "face", subject, path, named)
            for path, named in tree.matches(_NAME, f"{folder}/Audio", (".wav",)):
                yield _media(tree, "voice", subject, path, named)
            yield from _eeg(tree, folder, subject, [named.group(3, 4) for _, named in films])


def _media(tree: Tree, modality: Any, subject: str, path: str, named: re.Match[str]) -> Item:
    index, _, task, emotion = named.group(1, 2, 3, 4)
    return tree.item(
        modality,
        f"{subject}/{index}/{modality}",
        path,
        native=emotion.capitalize(),
        speaker=subject,
        about={"trial": f"{subject}/{index}", "task": task.lower()},
    )


def _eeg(
    tree: Tree, folder: str, subject: str, order: list[tuple[str | Any, ...]]
) -> Iterator[Item]:
    data, label = (_first(tree, f"{folder}/EEG", end) for end in ("_eeg.mat", "_eeg_label.mat"))
    if data is None or label is None:
        tree.findings.add("missing", f"{folder}/EEG", "no recording or no labels")
        return
    try:
        onehot = mat_array(label, "label")
    except DatasetError as error:
        tree.findings.add("unreadable", str(label), error.message)
        return
    classes = np.argmax(onehot if onehot.shape[0] == 10 else onehot.T, axis=0)
    meaning = _meaning(classes, order)
    if meaning is None:
        tree.findings.add("value", str(label), "labels fit the order of the films in no way")
        return
    for trial, code in enumerate(classes):
        task, emotion = meaning[int(code)]
        yield tree.item(
            "eeg",
            f"{subject}/{trial + 1:03d}/eeg",
            f"{subject}_{trial + 1:03d}.npz",
            native=emotion,
            speaker=subject,
            perspective="felt",
            about={"trial": f"{subject}/{trial + 1:03d}", "task": task.lower()},
            make=partial(_trial, data, trial, len(classes)),
        )


def _first(tree: Tree, folder: str, ending: str) -> Path | None:
    found = next(tree.files(folder, (ending,)), None)
    return None if found is None else tree.root / found


def _meaning(classes: Any, order: list[tuple[Any, ...]]) -> Mapping[int, tuple[str, str]] | None:
    """Return what each row of the one-hot labels means, so that it fits the films' names."""
    if len(order) != len(classes):
        return None
    named = [(task.capitalize(), emotion.capitalize()) for task, emotion in order]
    for even, odd in (_TASKS, _TASKS[::-1]):
        rows = {
            2 * number + parity: (task, emotion)
            for number, emotion in enumerate(_EMOTIONS)
            for parity, task in enumerate((even, odd))
        }
        if all(rows[int(code)] == name for code, name in zip(classes, named, strict=True)):
            return rows
    return None


def _trial(path: Path, trial: int, trials: int) -> Signal:
    """Cut one trial; axes are told by their lengths, since the readme and the code differ."""
    array = mat_array(path, "seg1", "seg")
    lengths = list(array.shape)
    if len(lengths) != 3 or trials not in lengths or len(_CHANNELS) not in lengths:
        raise DatasetError(f"{path}: {tuple(lengths)} is not samples, channels, trials")
    channels, which = lengths.index(len(_CHANNELS)), len(lengths) - 1 - lengths[::-1].index(trials)
    time = ({0, 1, 2} - {channels, which}).pop()
    data = np.transpose(array, (time, channels, which))[:, :, trial]
    return Signal(np.ascontiguousarray(data, dtype=np.float32), _RATE_HZ, _CHANNELS)
