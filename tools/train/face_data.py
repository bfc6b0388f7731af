"""FER2013 with the votes of FER+: reading and splitting."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_emo.types import CATEGORIES

NO_FACE = ("unknown", "NF")
PUBLISHED = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}
"""Label of FER2013 → ours."""
NEAR = 0.95
"""Correlation from which two pictures are taken for copies; FER2013 holds many."""


@dataclass(frozen=True)
class Faces:
    """Pictures with the votes of their ten raters.

    Attributes:
        images: uint8 (n, 48, 48), grey.
        targets: float32 (n, 7), share of the votes of each category; rows sum to 1.
        labels: int64 (n,), the category with most votes; -1 where another has as many.
        names: n file names.
    """

    images: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]

    def take(self, index: npt.NDArray[np.int64]) -> Faces:
        """Return the rows of ``index``."""
        names = tuple(self.names[i] for i in index)
        return Faces(self.images[index], self.targets[index], self.labels[index], names)


def read(data: Path, usage: str) -> Faces:
    """Read one split from the folder that holds ``fer2013plus/``.

    Rows whose leading vote is "unknown", "not a face" or contempt are left out; so are votes
    for those in the remaining rows.

    Args:
        data: Folder with ``fer2013plus/images.npy`` and ``fer2013plus/labels.npz``.
        usage: ``Training`` or ``PublicTest``.
    """
    table = np.load(data / "fer2013plus" / "labels.npz")
    images = np.load(data / "fer2013plus" / "images.npy", mmap_mode="r")
    columns = [str(c) for c in table["vote_columns"]]
    votes = table["votes"].astype(np.float32)
    mapped = votes[:, [columns.index(c) for c in CATEGORIES]]
    others = votes[:, [columns.index(c) for c in (*NO_FACE, "contempt")]]
    keep = (table["usage"] == usage) & (mapped.max(1) >= others.max(1)) & (mapped.max(1) > 0)
    rows = np.flatnonzero(keep)
    mapped = mapped[rows]
    best = mapped.max(1, keepdims=True)
    tied = (mapped == best).sum(1) + (others[rows] == best).sum(1) > 1
    labels = np.where(tied, -1, mapped.argmax(1))
    names = tuple(str(n) for n in table["name"][rows])
    return Faces(images[rows], mapped / mapped.sum(1, keepdims=True), labels, names)


def read_published(data: Path, usage: str) -> Faces:
    """Read every row of one split with the one label that FER2013 was published with.

    A picture that was published twice, with two labels, has -1.

    Args:
        data: As for :func:`read`.
        usage: ``Training`` or ``PublicTest``.
    """
    table = np.load(data / "fer2013plus" / "labels.npz")
    images = np.load(data / "fer2013plus" / "images.npy", mmap_mode="r")
    rows = np.flatnonzero(table["usage"] == usage)
    known = [PUBLISHED.get(str(name)) for name in table["fer2013_label"][rows]]
    labels = np.array([-1 if name is None else CATEGORIES.index(name) for name in known])
    targets = (labels[:, np.newaxis] == np.arange(len(CATEGORIES))).astype(np.float32)
    return Faces(images[rows], targets, labels, tuple(str(n) for n in table["name"][rows]))


def split(faces: Faces, seed: int, part: float = 0.1) -> tuple[Faces, Faces]:
    """Cut a validation part off; identical pictures stay on one side.

    Returns:
        Training part and validation part.
    """
    digests = [hashlib.sha256(image.tobytes()).digest() for image in faces.images]
    draw = np.random.default_rng(seed).random(len(digests))
    first = {digest: i for i, digest in reversed(list(enumerate(digests)))}
    kept_back = np.array([draw[first[digest]] < part for digest in digests])
    return faces.take(np.flatnonzero(~kept_back)), faces.take(np.flatnonzero(kept_back))


def without(faces: Faces, others: Faces) -> Faces:
    """Return ``faces`` less those whose picture also occurs in ``others``."""
    known = {image.tobytes() for image in others.images}
    keep = [i for i, image in enumerate(faces.images) if image.tobytes() not in known]
    return faces.take(np.array(keep, dtype=np.int64))


def are_copies(faces: Faces, others: Faces, least: float = NEAR) -> npt.NDArray[np.bool_]:
    """Tell which pictures are nearly one of ``others``: cut or lit a little differently.

    Args:
        faces: n pictures.
        others: What they are compared with.
        least: Pearson correlation of the pixels from which a picture is a copy.

    Returns:
        (n,).
    """
    known = _standardised(others.images)
    parts = np.array_split(_standardised(faces.images), -(-len(faces.names) // 256))
    return np.concatenate([(part @ known.T).max(axis=1) >= least for part in parts])


def _standardised(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return pictures as rows of mean 0 and length 1, so that products are correlations."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
