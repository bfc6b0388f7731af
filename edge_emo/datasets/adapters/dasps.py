"""DASPS: ``S01_data`` int16 (12 trials, 1920 samples, 14 channels) with SAM ratings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.arrays import open_npz
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
            ratings, hamilton = archive[f"{subject}_labels"], archive[f"{subject}_hamilton"]
            for trial in range(ratings.shape[1]):
                where = f"{path}: {subject} trial {trial}"
                name = f"{subject}_{trial:02d}"
                yield tree.item(
                    "eeg",
                    name,
                    f"{name}.npz",
                    speaker=subject,
                    valence=tree.dimension(float(ratings[0, trial]), where),
                    arousal=tree.dimension(float(ratings[1, trial]), where),
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
    return Signal(archive[key][trial].astype(np.float32) * unit_uv, rate_hz, channels)
