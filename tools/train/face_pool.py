"""The rows that the face networks learn from: FER2013 with votes, synthetic and scene faces.

All are 48 px grey crops framed as FER2013 frames a face. A row has what its corpus knows: votes,
the published label, valence and arousal, whether the mouth is covered; the rest is unknown.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import detector_data
import face_data
import face_net
import numpy as np
import numpy.typing as npt
import torch

from edge_emo.features.face_align import align
from edge_emo.features.face_detector import DetectedFace, Point
from edge_emo.types import CATEGORIES

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
SPLIT_SEED = 7
VALIDATION = 0.07
_BLOCK = 12
"""Synthetic pictures are split in runs of so many: neighbours can be of one prompt."""
_SURE = 0.85
"""Share of the one label of a synthetic picture; the rest goes to all labels alike."""
_LEAST_SCENE_PX = 22.0
SHARES = {"fer": 0.80, "synthetic": 0.06, "crops": 0.05, "scenes": 0.09}
"""Of the rows drawn, by source."""


@dataclass(frozen=True)
class Rows:
    """Pictures of one source and what is known of them.

    Attributes:
        images: uint8 (n, 48, 48).
        votes: float32 (n, 7), share of the votes; NaN where unknown.
        published: int64 (n,), label of FER2013; -1 where unknown.
        affect: float32 (n, 2), valence and arousal; NaN where unknown.
        mouth: float32 (n,), 1 where the mouth is covered, 0 where it is not; NaN where unknown.
    """

    images: Grey
    votes: Floats
    published: npt.NDArray[np.int64]
    affect: Floats
    mouth: Floats

    def take(self, index: npt.NDArray[np.intp]) -> Rows:
        """Return the rows of ``index``."""
        return Rows(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Pool:
    """Everything that training draws from, on one device.

    Attributes:
        images: uint8 (n, 1, 48, 48).
        votes: float32 (n, 7), NaN where unknown.
        published: int64 (n,), -1 where unknown.
        affect: float32 (n, 2), NaN where unknown.
        mouth: float32 (n,), NaN where unknown.
        chances: float64 (n,), chances of being drawn, summed up to each row.
    """

    images: torch.Tensor
    votes: torch.Tensor
    published: torch.Tensor
    affect: torch.Tensor
    mouth: torch.Tensor
    chances: torch.Tensor


@dataclass(frozen=True)
class Parts:
    """Training rows by source, and the validation parts that no training step sees."""

    train: Mapping[str, Rows]
    valid: face_data.Faces
    valid_published: face_data.Faces
    valid_synthetic: Rows


def load(data: Path) -> Parts:
    """Read all sources from the folder that holds the unpacked corpora.

    Pictures that FER2013's PublicTest also has are left out of training and validation.
    """
    test = face_data.read_published(data, "PublicTest")
    everyone = face_data.without(face_data.read_published(data, "Training"), test)
    train, valid_published = face_data.split(everyone, SPLIT_SEED, VALIDATION)
    voted = face_data.read(data, "Training")
    votes = dict(zip(voted.names, voted.targets, strict=True))
    kept_back = set(valid_published.names)
    rows = np.array([i for i, name in enumerate(voted.names) if name in kept_back], dtype=np.intp)
    synthetic, valid_synthetic = _synthetic(data)
    scenes = detector_data.load(data, 0)
    return Parts(
        {
            "fer": _fer(train, votes),
            "synthetic": synthetic,
            "crops": _bare(_aligned(scenes["crops"]["train"])),
            "scenes": _aligned(scenes["scenes"]["train"]),
        },
        voted.take(rows),
        valid_published,
        valid_synthetic,
    )


def pool(train: Mapping[str, Rows], balance: float, device: str) -> Pool:
    """Return the rows on a device, rare categories drawn more often.

    Args:
        train: By source.
        balance: Rows of a source are drawn with probability ~ (frequency) ** -balance.
        device: ``cpu`` or ``cuda``.
    """
    parts = list(train.values())
    weights = np.concatenate(
        [SHARES[name] * _weights(name, rows, balance) for name, rows in train.items()]
    )
    columns = [
        torch.from_numpy(np.concatenate([getattr(rows, name) for rows in parts])).to(device)
        for name in ("images", "votes", "published", "affect", "mouth")
    ]
    chances = torch.from_numpy(np.cumsum(weights, dtype=np.float64) / weights.sum()).to(device)
    return Pool(columns[0].unsqueeze(1), *columns[1:], chances)


def _weights(name: str, rows: Rows, balance: float) -> Floats:
    known = np.isfinite(rows.votes).all(axis=1)
    weights = np.ones(len(rows.images), np.float64)
    if known.any():
        frequency = rows.votes[known].mean(axis=0) + 1e-4
        weights[known] = rows.votes[known] @ frequency**-balance
        weights[~known] = weights[known].min()
    if name == "scenes":
        masked = rows.mouth == 1
        weights = np.where(masked, 0.5 / max(masked.sum(), 1), 0.5 / max((~masked).sum(), 1))
    return (weights / weights.sum()).astype(np.float32)


def _fer(faces: face_data.Faces, votes: Mapping[str, Floats]) -> Rows:
    unknown = np.full(len(CATEGORIES), np.nan, np.float32)
    n = len(faces.names)
    return Rows(
        faces.images,
        np.stack([votes.get(name, unknown) for name in faces.names]),
        faces.labels,
        np.full((n, 2), np.nan, np.float32),
        np.zeros(n, np.float32),
    )


def _synthetic(data: Path) -> tuple[Rows, Rows]:
    """Return training and validation rows of diffusionfer."""
    folder = data / "diffusionfer"
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    images = np.stack([_small(cv2.imread(str(folder / row["file"]), 0)) for row in table])
    labels = np.array([CATEGORIES.index(row["expression"]) for row in table])
    votes = np.full((len(table), len(CATEGORIES)), (1 - _SURE) / len(CATEGORIES), np.float32)
    votes[np.arange(len(table)), labels] += _SURE
    affect = np.array([[row["valence"], row["arousal"]] for row in table], np.float32)
    unknown = np.full(len(table), -1, np.int64)
    rows = Rows(images, votes, unknown, affect, np.zeros(len(table), np.float32))
    blocks = np.arange(len(table)) // _BLOCK
    drawn = np.random.default_rng(SPLIT_SEED).random(int(blocks.max()) + 1) < 0.2
    return rows.take(np.flatnonzero(~drawn[blocks])), rows.take(np.flatnonzero(drawn[blocks]))


def _small(grey: Grey | None) -> Grey:
    assert grey is not None, "diffusionfer lacks a picture that its labels name"
    size = (face_net.INPUT_PX, face_net.INPUT_PX)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _aligned(pictures: Sequence[detector_data.Picture]) -> Rows:
    """Return every face with landmarks, upright; scenes also know who wears a mask."""
    images, mouth = [], []
    for picture in pictures:
        grey = np.asarray(cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2GRAY), np.uint8)
        known = picture.faces
        for box, points, mask in zip(known.boxes, known.points, known.masked, strict=True):
            if np.isfinite(points).all() and float((box[2:] - box[:2]).min()) >= _LEAST_SCENE_PX:
                images.append(align(grey, _face(box, points), face_net.INPUT_PX).image)
                mouth.append(_COVERED.get(mask, np.nan))
    n = len(images)
    return Rows(
        np.stack(images),
        np.full((n, len(CATEGORIES)), np.nan, np.float32),
        np.full(n, -1, np.int64),
        np.full((n, 2), np.nan, np.float32),
        np.array(mouth, np.float32),
    )


def _bare(rows: Rows) -> Rows:
    """Return rows of a corpus without masks."""
    return replace(rows, mouth=np.zeros_like(rows.mouth))


_COVERED = {"with_mask": 1.0, "without_mask": 0.0}


def _face(box: Floats, points: Floats) -> DetectedFace:
    left, top, right, bottom = (float(value) for value in box)
    a, b, c, d, e = (Point(float(x), float(y)) for x, y in points)
    return DetectedFace(left, top, right - left, bottom - top, 1.0, (a, b, c, d, e))
