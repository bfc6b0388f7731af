"""CAER and CAER-S: one folder a part, one a class, numbered files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edge_emo.datasets.tree import Item, Tree

FILMS = (".avi", ".mp4")
Boxes = Mapping[str, tuple[int, int, int, int]]


def scene_items(
    tree: Tree, parts: tuple[str, ...], suffix: str, boxes: Boxes | None = None
) -> Iterator[Item]:
    """Yield one clip of the face a file, and one of the voice when the files are films.

    Args:
        tree: The corpus.
        parts: Its parts, each a folder.
        suffix: Suffix of its files.
        boxes: Face box (x1, y1, x2, y2) in pixels by path, with the class in lower case.
    """
    for part in parts:
        natives = tree.folders(part)
        if not natives:
            tree.findings.add("missing", part, "no folder of a class")
        for native in natives:
            folder = f"{part}/{native}"
            for path, match in tree.matches(rf"(\d{{4,}})\{suffix}", folder):
                about: dict[str, Any] = {}
                box = (boxes or {}).get(box_key(path))
                if box:
                    about["face_box"] = list(box)
                key = f"{part}/{native.lower()}/{match[1]}"
                common: dict[str, Any] = {"native": native, "split": part, "about": about}
                if suffix in FILMS:
                    yield tree.item("face", f"{key}/face", path, **common)
                    yield tree.item("voice", f"{key}/voice", path, **common)
                else:
                    yield tree.item("face", key, path, **common)


def box_key(path: str) -> str:
    """Return a path in lower case, with the one class that has two spellings in one."""
    return path.lower().replace("/angry/", "/anger/")


def read_boxes(tree: Tree, names: tuple[str, ...]) -> dict[str, tuple[int, int, int, int]]:
    """Read the community's box lists: ``path,label,x1,y1,x2,y2`` without header."""
    boxes = {}
    header = ("path", "label", "x1", "y1", "x2", "y2")
    for name in names:
        path = tree.find(name)
        for row in tree.rows(path, header=header) if path else ():
            corners = [tree.number(row.cells[key], row.where) for key in header[2:]]
            if None not in corners:
                x1, y1, x2, y2 = (int(value or 0) for value in corners)
                boxes[box_key(row.cells["path"])] = (x1, y1, x2, y2)
    return boxes
