"""Writing a manifest as its items come: names checked, files made, parts settled at the end."""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from edge_emo.datasets.clips import Clip, clip_line, is_text
from edge_emo.datasets.features import check_readable
from edge_emo.datasets.splits import assign_parts, group_of, part_of_clip
from edge_emo.datasets.tree import Item, Made, Signal, Tree
from edge_emo.errors import DatasetError
from edge_emo.imaging import cv2

_SETTLED = 0xFFFFFFFF
_TURNS = 3  # as many as the text estimator reads
_NO_SPLIT = '"split": null'
_encode = json.JSONEncoder(ensure_ascii=False).encode


class ManifestWriter:
    """Writes clips to one file and what is known beside to another.

    Holds 12 bytes a clip, and the groups and speakers, whatever the size of the corpus.

    Args:
        tree: The corpus.
        manifest: Where the manifest will lie; paths are written relative to it.
        paths: The two files to write.
        seed: Of the parts that are assigned.
        verify: Whether clips that cannot be decoded are left out.
    """

    def __init__(
        self, tree: Tree, manifest: Path, paths: tuple[Path, Path], seed: int, verify: bool
    ) -> None:
        self._tree, self._manifest, self._paths = tree, manifest, paths
        self._seed, self._verify = seed, verify
        relative = _way(manifest.parent, tree.root)
        self._prefix = "" if relative == "." else f"{relative}/"
        self._names = array("Q")
        self._pending = array("I")
        self._groups: dict[str, int] = {}
        self._sizes: Counter[int] = Counter()
        self._people: dict[str, tuple[Any, Any]] = {}
        self._told_of: set[str] = set()
        self._talk: tuple[str | None, int] = (None, 0)
        self._said: deque[dict[str, str | None]] = deque(maxlen=_TURNS)

    def __enter__(self) -> ManifestWriter:
        self._clips, self._about = (
            path.open("w", encoding="utf-8", newline="\n") for path in self._paths
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._clips.close()
        self._about.close()

    def write(self, item: Item) -> Clip | None:
        """Write one item; return its clip as written, None when file or text cannot be read."""
        clip, about = item.clip, item.about
        if clip.text is not None and not is_text(clip.text):
            self._tree.findings.add("broken", clip.clip, "half a surrogate pair")
            return None
        if clip.path is not None:
            try:
                clip = self._placed(clip, item)
                if self._verify:
                    check_readable(clip, self._manifest.parent)
            except DatasetError as error:
                self._tree.findings.add("unreadable", clip.clip, error.message)
                return None
        clip = self._with_part(self._with_context(clip, about), about)
        self._clips.write(clip_line(clip, clip.clip))
        if about:
            self._about.write(_encode({"clip": clip.clip, **about}) + "\n")
        digest = hashlib.blake2b(clip.clip.encode(), digest_size=8).digest()
        self._names.append(int.from_bytes(digest, "big"))
        self._meet(clip.speaker, about)
        return clip

    def settle(self) -> Counter[str]:
        """Give parts to the clips that wait for one; return the clips of each part.

        Raises:
            DatasetError: A name occurs twice.
        """
        names = np.sort(np.frombuffer(self._names, dtype=np.uint64))
        if np.any(names[1:] == names[:-1]):
            raise DatasetError(f"{self._tree.root}: clip {_twice(self._paths[0])} is there twice")
        sizes = {group: self._sizes[number] for group, number in self._groups.items()}
        assigned = assign_parts(sizes, self._seed)
        parts = {number: assigned[group] for group, number in self._groups.items()}
        return _settle(self._paths[0], self._pending, parts)

    def _placed(self, clip: Clip, item: Item) -> Clip:
        """Return the clip with its path relative to the manifest; make its file if need be."""
        if item.make is None:
            return replace(clip, path=f"{self._prefix}{clip.path}") if self._prefix else clip
        if ".." in PurePosixPath(clip.path or "").parts:
            raise DatasetError(f"{clip.path} leads out of the folder of made files")
        name = f"{self._manifest.stem}.files/{clip.path}"
        target = self._manifest.parent / name
        if not target.is_file():
            made = item.make()
            if isinstance(made, Signal) and len(made.data) == 0:
                raise DatasetError("no sample lies in it")
            write_made(target, made)
        return replace(clip, path=name)

    def _with_part(self, clip: Clip, about: Mapping[str, Any]) -> Clip:
        number = _SETTLED
        if clip.split is None:
            group = group_of(clip, about, self._tree.corpus.group)
            if group is None:
                clip = replace(clip, split=part_of_clip(clip.clip, self._seed))
            else:
                number = self._groups.setdefault(group, len(self._groups))
                self._sizes[number] += 1
        self._pending.append(number)
        return clip

    def _with_context(self, clip: Clip, about: Mapping[str, Any]) -> Clip:
        """Return a line of a dialogue with the lines just before it, as the corpus tells them."""
        dialogue, turn = about.get("dialogue"), about.get("turn")
        if clip.modality != "text" or dialogue is None or not isinstance(turn, int):
            return clip
        if (dialogue, turn - 1) != self._talk:
            self._said.clear()
        self._talk = dialogue, turn
        before = tuple(self._said)
        self._said.append({"speaker": clip.speaker, "text": clip.text})
        return clip if clip.context is not None else replace(clip, context=before or None)

    def _meet(self, speaker: str | None, about: Mapping[str, Any]) -> None:
        """Count a speaker who is of two genders or ages: one id for two people."""
        person = about.get("gender"), about.get("age")
        if speaker is None or person == (None, None):
            return
        known = self._people.setdefault(speaker, person)
        if known != person and speaker not in self._told_of:
            self._told_of.add(speaker)
            self._tree.findings.add("speaker", speaker, f"{known} and {person}")


def _way(folder: Path, root: Path) -> str:
    """Return the way from a folder to another; links are left as named where it holds."""
    named = Path(os.path.relpath(root, folder))
    if not (folder / named).exists() or not (folder / named).samefile(root):
        named = Path(os.path.relpath(root.resolve(), folder.resolve()))
    return named.as_posix()


def write_made(target: Path, made: Made) -> None:
    """Write samples as ``.npz`` or a picture as PNG, whole or not at all.

    Raises:
        DatasetError: The picture cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.stem}.part{target.suffix}")
    if isinstance(made, Signal):
        channels = np.array(made.channels)
        np.savez(part, data=made.data, rate_hz=np.float64(made.rate_hz), channels=channels)
    else:
        cv = cv2()
        picture = made if made.ndim == 2 else cv.cvtColor(made, cv.COLOR_RGB2BGR)
        if not cv.imwrite(str(part), picture):
            raise DatasetError(f"{target} cannot be written")
    part.replace(target)


def settled_path(part: Path) -> Path:
    """Return where a manifest that is being written gets its parts."""
    return part.with_suffix(".settled")


def _settle(path: Path, pending: array[int], parts: Mapping[int, str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    settled = settled_path(path)
    with (
        path.open(encoding="utf-8", newline="\n") as old,
        settled.open("w", encoding="utf-8", newline="\n") as new,
    ):
        for number, line in zip(pending, old, strict=True):
            if number != _SETTLED:
                line = line.replace(_NO_SPLIT, f'"split": "{parts[number]}"', 1)
            counts[line.partition('"split": "')[2].partition('"')[0]] += 1
            new.write(line)
    settled.replace(path)
    return counts


def _twice(path: Path) -> str:
    seen: set[str] = set()
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            name = str(json.loads(line)["clip"])
            if name in seen:
                return repr(name)
            seen.add(name)
    return "of some name"
