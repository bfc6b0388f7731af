"""DASPS: ``S01_data`` int16 (12 trials, 1920 samples, 14 channels) with SAM ratings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.arrays import open_npz, reading
from edge_emo.datasets.tree import Item, Signal, Tree


class Dasps(Adapter):
    """Anxiety elicitation, 15 s a trial."""

    name = "dasps"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a trial; its samples are made in µV."""
        path = tree.need("dasps_raw.npz")
        archive = open_npz(path)
        for key in sorted(name for name in archive.files if name.endswith("_data")):
            subject = key.removesuffix("_data")
            hamilton = archive[f"{subject}_hamilton"]
            with reading(path):
                valences, arousals = archive[f"{subject}_labels"][:2].astype(float).tolist()
            for trial, (valence, arousal) in enumerate(zip(valences, arousals, strict=True)):
                where = f"{path}: {subject} trial {trial}"
                name = f"{subject}_{trial:02d}"
                yield tree.item(
                    "eeg",
                    name,
                    f"{name}.npz",
                    speaker=subject,
                    valence=tree.dimension(valence, where),
                    arousal=tree.dimension(arousal, where),
                    about={
                        "situation": trial // 2,
                        "hamilton": [float(value) for value in hamilton.ravel()],
                    },
                    make=partial(_trial, path, key, trial),
                )


def _trial(path: Path, key: str, trial: int) -> Signal:
    archive = open_npz(path)
    unit_uv, rate_hz = np.float32(archive["unit_uv"]), float(archive["rate_hz"])
    channels = tuple(str(name) for name in archive["channels"])
    with reading(path):
        return Signal(archive[key][trial].astype(np.float32) * unit_uv, rate_hz, channels)
