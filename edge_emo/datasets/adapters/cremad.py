"""CREMA-D: intended emotion in the name, and votes of raters who heard, saw, or both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tables import Row
from edge_emo.datasets.tree import Item, Tree

_SENTENCES = "IEO|TIE|IOM|IWW|TAI|MTI|IWL|ITH|DFA|ITS|TSI|WSI"
_STEM = rf"(1\d{{3}})_({_SENTENCES})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX|X)"
_LEVELS = {"LO": 1 / 3, "MD": 2 / 3, "HI": 1.0}
_KINDS = {"1": "voice", "2": "face", "3": "both"}
_SILENT = "1076_MTI_SAD_XX"
_Votes = dict[str, dict[str, dict[str, float]]]


class Cremad(Adapter):
    """Acted English speech with faces; perceived votes of each kind beside the intended label."""

    name = "cremad"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield sounds, then films; without media, every clip that was voted on."""
        votes, people = _votes(tree), _people(tree)
        sound = "AudioWAV" if (tree.root / "AudioWAV").is_dir() else "AudioMP3"
        places = (("voice", sound, "(wav|mp3)"), ("face", "VideoFlash", "(flv|mp4)"))
        if not any((tree.root / folder).is_dir() for _, folder, _ in places):
            yield from _without_media(tree, votes, people)
            return
        for modality, folder, suffix in places:
            for path, match in tree.matches(rf"{_STEM}\.{suffix}", folder):
                level = "XX" if match[4].upper() == "X" else match[4]
                stem = "_".join((*match.group(1, 2, 3), level)).upper()
                if not _is_silent(tree, stem, modality, path):
                    yield _item(tree, modality, stem, path, votes.get(stem, {}), people)


def _without_media(tree: Tree, votes: _Votes, people: Mapping[str, Any]) -> Iterator[Item]:
    for stem, kinds in votes.items():
        for modality, path in (
            ("voice", f"AudioWAV/{stem}.wav"),
            ("face", f"VideoFlash/{stem}.flv"),
        ):
            if not _is_silent(tree, stem, modality, path):
                tree.findings.add("missing", path)
                yield _item(tree, modality, stem, path, kinds, people)


def _is_silent(tree: Tree, stem: str, modality: str, path: str) -> bool:
    silent = stem == _SILENT and modality == "voice"
    if silent:
        tree.findings.add("defect", path, "no usable sound")
    return silent


def _item(
    tree: Tree,
    modality: Any,
    stem: str,
    path: str,
    kinds: Mapping[str, Mapping[str, float]],
    people: Mapping[str, Mapping[str, Any]],
) -> Item:
    actor, sentence, emotion, level = stem.split("_")
    perceived = {kind: tree.votes(counts, path) for kind, counts in kinds.items()}
    others = {f"votes_{kind}": v for kind, v in perceived.items() if v and kind != modality}
    return tree.item(
        modality,
        f"{stem}/{modality}",
        path,
        native=emotion,
        votes=perceived.get(modality),
        intensity=_LEVELS.get(level),
        speaker=actor,
        about={"sentence": sentence, **people.get(actor, {}), **others},
    )


def _votes(tree: Tree) -> _Votes:
    """Read the votes by clip and kind; a row's name begins with the digit of its kind."""
    votes: _Votes = {}
    path = tree.find("processedResults/tabulatedVotes.csv")
    if path is None:
        tree.findings.add("missing", "processedResults/tabulatedVotes.csv", "no votes")
        return votes
    letters = "ADFHNS"
    for row in tree.rows(path, needs=("index", *letters, "fileName")):
        counts = {letter: tree.number(row.cells[letter], row.where) or 0.0 for letter in letters}
        kind, stem = _KINDS.get(row.cells["index"][:1]), row.cells["fileName"]
        if kind is None or not re.fullmatch(_STEM, stem):
            tree.findings.add("broken", row.where, f"row {row.cells['index']!r} of {stem!r}")
        else:
            votes.setdefault(stem, {})[kind] = counts
    return votes


def _people(tree: Tree) -> dict[str, dict[str, Any]]:
    path = tree.find("VideoDemographics.csv")
    if path is None:
        return {}
    rows = tree.rows(path, needs=("ActorID", "Age", "Sex"))
    return {row.cells["ActorID"]: _person(tree, row) for row in rows}


def _person(tree: Tree, row: Row) -> dict[str, Any]:
    age = tree.whole(row.cells["Age"], row.where)
    known = {} if age is None else {"age": age}
    return {**known, "gender": row.cells["Sex"].lower()}
