"""DailyDialog: one dialogue a line; utterances end in ``__eou__``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tables import Line
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import DatasetError

_EMOTIONS = ("none", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
_ACTS = ("", "inform", "question", "directive", "commissive")
_PARTS = ("train", "validation", "test")


class Dailydialog(Adapter):
    """Written daily dialogues; copies of earlier dialogues are left out."""

    name = "dailydialog"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip an utterance."""
        seen: set[bytes] = set()
        for part in _PARTS:
            texts = tree.find(f"{part}/dialogues_{part}.txt")
            if texts is None:
                tree.findings.add("missing", f"{part}/dialogues_{part}.txt")
                continue
            labels = tree.need(f"{part}/dialogues_emotion_{part}.txt")
            acts = tree.find(f"{part}/dialogues_act_{part}.txt")
            act_lines = tree.lines(acts) if acts else iter(())
            label_lines = tree.lines(labels)
            for number, line in enumerate(tree.lines(texts), start=1):
                codes = next(label_lines, None)
                if codes is None:
                    raise DatasetError(f"{labels}: ends before line {number} of the dialogues")
                act = next(act_lines, Line("", "")).text.split()
                if _is_new(tree, line, seen):
                    yield from _dialogue(tree, part, number, line, codes.text.split(), act)


def _is_new(tree: Tree, line: Line, seen: set[bytes]) -> bool:
    digest = hashlib.blake2b(" ".join(line.text.split()).encode(), digest_size=8).digest()
    if digest in seen:
        tree.findings.add("duplicate", line.where, "a copy of an earlier dialogue")
        return False
    seen.add(digest)
    return True


def _dialogue(
    tree: Tree, part: str, number: int, line: Line, codes: list[str], acts: list[str]
) -> Iterator[Item]:
    texts = [text.strip() for text in line.text.split("__eou__")]
    texts = texts[:-1] if not texts[-1] else texts
    if len(texts) != len(codes):
        tree.findings.add("defect", line.where, f"{len(texts)} utterances, {len(codes)} labels")
        return
    for turn, (text, code) in enumerate(zip(texts, codes, strict=True)):
        if code not in tuple("0123456"):
            tree.findings.add("label", line.where, repr(code))
            continue
        about = {"dialogue": f"{part}/{number}", "turn": turn}
        if len(acts) == len(texts) and acts[turn] in tuple("1234"):
            about["act"] = _ACTS[int(acts[turn])]
        yield tree.item(
            "text",
            f"{part}/{number}/{turn}",
            native=_EMOTIONS[int(code)],
            where=line.where,
            text=text,
            split=part,
            about=about,
        )
