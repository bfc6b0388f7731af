"""FERV39k: clips as folders of frames, by scene and emotion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree

_CLIPS = "2_ClipsforFaceCrop"
_LISTS = "4_setups/All_scenes"
_PARTS = ("train", "test")


class Ferv39k(Adapter):
    """Faces in 22 scenes; a clip's path is its middle frame."""

    name = "ferv39k"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a folder of frames."""
        listed = dict(_lists(tree))
        unlisted = [part for part in _PARTS if part not in listed.values()]
        for scene in tree.folders(_CLIPS):
            for native in tree.folders(f"{_CLIPS}/{scene}"):
                for clip in tree.folders(f"{_CLIPS}/{scene}/{native}"):
                    key = f"{scene}/{native}/{clip}"
                    if key in listed:
                        yield from _item(tree, key, listed.pop(key))
                    elif unlisted:
                        yield from _item(tree, key, unlisted[0] if len(unlisted) == 1 else None)
                    else:
                        tree.findings.add("extra", f"{_CLIPS}/{key}", "no list names it")
        for key in listed:
            tree.findings.add("missing", f"{_CLIPS}/{key}")


def _item(tree: Tree, key: str, split: str | None) -> Iterator[Item]:
    scene, native, _ = key.split("/")
    folder = f"{_CLIPS}/{key}"
    frames = sorted(tree.files(folder, (".jpg", ".png")), key=lambda name: (len(name), name))
    if not frames:
        tree.findings.add("unreadable", folder, "no frame")
        return
    yield tree.item(
        "face",
        key,
        frames[len(frames) // 2],
        native=native,
        split=split,
        about={"scene": scene, "frames": folder, "n_frames": len(frames)},
    )


def _lists(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield the clip and part of every line: a path, and what may follow it."""
    for part in _PARTS:
        path: Path | None = tree.find(f"{_LISTS}/{part}_All.csv", f"{part}_All.csv")
        if path is None:
            tree.findings.add("missing", f"{_LISTS}/{part}_All.csv")
            continue
        for line in tree.lines(path):
            words = line.text.replace(",", " ").split()
            parts = words[0].strip("/").split("/") if words else []
            if len(parts) >= 3:
                yield "/".join(parts[-3:]), part
            elif words:
                tree.findings.add("broken", line.where, "no scene, emotion and clip")
