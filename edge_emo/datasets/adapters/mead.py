"""MEAD: sound and pictures of one actor, emotion and level in folders of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree

_SOUND = r"(?P<emotion>[a-z]+)/level_(?P<level>[123])/(?P<number>\d{3})\.(?i:m4a|wav)"
_FILM = r"(?P<view>\w+)/(?P<emotion>[a-z]+)/level_(?P<level>[123])/(?P<number>\d{3})\.(?i:mp4)"


class Mead(Adapter):
    """Acted talking faces at three levels."""

    name = "mead"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield every sound, then every film of each actor; one without the other is told of."""
        for actor in tree.folders():
            if not re.fullmatch(r"[MW]\d{3}", actor):
                continue
            sounds: dict[tuple[str | Any, ...], str] = {}
            seen = set()
            for path, match in _within(tree, f"{actor}/audio", _SOUND):
                sounds[match.group("emotion", "level", "number")] = path
                yield _item(tree, "voice", actor, path, match, "audio")
            for path, match in _within(tree, f"{actor}/video", _FILM):
                seen.add(match.group("emotion", "level", "number"))
                if match.group("emotion", "level", "number") not in sounds:
                    tree.findings.add("missing", path, "no sound of this film")
                yield _item(tree, "face", actor, path, match, match["view"])
            for take, path in sounds.items():
                if seen and take not in seen:
                    tree.findings.add("missing", path, "no film of this sound")


def _within(tree: Tree, folder: str, pattern: str) -> Iterator[tuple[str, re.Match[str]]]:
    for path in tree.files(folder):
        match = re.fullmatch(pattern, path[len(folder) + 1 :])
        if match is None:
            tree.findings.add("extra", path)
        else:
            yield path, match


def _item(
    tree: Tree, modality: str, actor: str, path: str, match: re.Match[str], view: str
) -> Item:
    emotion, level, number = match.group("emotion", "level", "number")
    return tree.item(
        "voice" if modality == "voice" else "face",
        f"{actor}/{view}/{emotion}/{level}/{number}",
        path,
        native=emotion,
        speaker=actor,
        intensity=int(level) / 3,
        about={"gender": "male" if actor[0] == "M" else "female", "view": view},
    )
