"""EmotionTalk: dialogues in groups, and one label table a modality."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree
from edge_emo.types import Modality

_NAME = re.compile(r"(G\d{5})_(\d{2})_(\d{2})_(\d{3})")
_PARTS = {"G00001": "validation", "G00012": "validation", "G00003": "test", "G00015": "test"}
_TAGS = re.compile(r"\[/?over/?\]|\[interrupted\]")
_SUFFIXES: tuple[tuple[Modality, str, str], ...] = (
    ("voice", ".wav", "audio"),
    ("face", ".mp4", "video"),
)


class Emotiontalk(Adapter):
    """Mandarin acted dialogues; each clip has the label of its own modality."""

    name = "emotiontalk"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield the text of every transcript, then every sound and film."""
        joint = _labels(tree, "mm")
        texts = dict(_texts(tree))
        for name in sorted(texts, key=_place):
            emotion, text = texts[name]
            yield from _item(tree, "text", name, None, emotion, text, joint)
        for modality, suffix, table in _SUFFIXES:
            labels, found = _labels(tree, table), False
            for path in tree.files(suffixes=(suffix,)):
                found = True
                name = path.rpartition("/")[2][: -len(suffix)]
                spoken = texts[name][1] if name in texts else None
                if name not in labels:
                    tree.findings.add("missing", path, f"no row in mm-process/{table}.csv")
                yield from _item(tree, modality, name, path, labels.get(name), spoken, joint)
            if not found:
                tree.findings.add("missing", f"*{suffix}", f"no clip of the {modality}")


def _item(
    tree: Tree,
    modality: Modality,
    name: str,
    path: str | None,
    emotion: str | None,
    text: str | None,
    joint: Mapping[str, str],
) -> Iterator[Item]:
    match = _NAME.fullmatch(name)
    if match is None:
        tree.findings.add("extra", path or name, "no group, session, speaker and utterance")
        return
    group, session, speaker, turn = match.groups()
    about = {"dialogue": f"{group}_{session}", "group": group, "turn": int(turn)}
    if name in joint:
        about["native_joint"] = joint[name]
    yield tree.item(
        modality,
        f"{name}/{modality}",
        path,
        native=emotion,
        text=_TAGS.sub("", text).strip() if text is not None else None,
        speaker=speaker,
        split=_PARTS.get(group, "train"),
        about=about,
    )


def _place(name: str) -> tuple[str, ...]:
    """Return what orders a line: its dialogue, then its number, whoever says it."""
    match = _NAME.fullmatch(name)
    return match.group(1, 2, 4, 3) if match else (name,)


def _texts(tree: Tree) -> Iterator[tuple[str, tuple[str, str]]]:
    path = tree.find("mm-process/transcription.csv")
    if path is None:
        tree.findings.add("missing", "mm-process/transcription.csv", "no texts")
        return
    for row in tree.rows(path, needs=("name", "emotion", "chinese")):
        yield _stem(row.cells["name"]), (row.cells["emotion"], row.cells["chinese"])


def _labels(tree: Tree, table: str) -> dict[str, str]:
    path = tree.find(f"mm-process/{table}.csv")
    if path is None:
        tree.findings.add("missing", f"mm-process/{table}.csv", "no labels")
        return {}
    rows = tree.rows(path, needs=("file_name", "emotion"))
    return {_stem(row.cells["file_name"]): row.cells["emotion"] for row in rows}


def _stem(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].removesuffix(".mp4")
