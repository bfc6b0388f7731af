"""IEMOCAP: turns with final labels and every rater's, dialogues as films."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree

_TURN = re.compile(
    r"\[(?P<start>\d+\.\d+) - (?P<end>\d+\.\d+)\]\t(?P<turn>\w+)\t(?P<label>\w+)\t"
    r"\[(?P<v>[^,\]]*), ?(?P<a>[^,\]]*), ?(?P<d>[^,\]]*)\]"
)
_RATER = re.compile(r"C-([EMF])\w*:\s*([^()]*)")
_SPOKEN = re.compile(r"(\w+) \[[\d.]+-[\d.]+\]:\s*(.*)")
_NAME = re.compile(r"Ses0([1-5])([MF])_(?:impro|script)\w+_([MF])\d{3}")


class Iemocap(Adapter):
    """Dyadic acted dialogues, 5 sessions of two speakers."""

    name = "iemocap"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield sound, picture and text of every labelled turn."""
        for session in tree.folders():
            if not re.fullmatch(r"Session[1-5]", session):
                continue
            for path, match in tree.matches(
                r"(Ses\w+)\.txt", f"{session}/dialog/EmoEvaluation", (".txt",)
            ):
                if path.count("/") == 3:  # deeper ones hold the single raters' forms
                    yield from _dialogue(tree, session, match[1], tree.root / path)


def _dialogue(tree: Tree, session: str, dialogue: str, path: Path) -> Iterator[Item]:
    """Yield the turns in the order of their starts; the file lists one speaker after the other."""
    spoken = _transcript(tree, f"{session}/dialog/transcriptions/{dialogue}.txt")
    film = f"{session}/dialog/avi/DivX/{dialogue}.avi"
    if tree.find(film) is None:
        tree.findings.add("missing", film)
    turns = sorted(_turns(tree, path), key=lambda turn: float(turn["start"]))
    for number, turn in enumerate(turns):
        yield from _items(tree, (session, dialogue, number), turn, spoken)


def _turns(tree: Tree, path: Path) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    votes: dict[str, float] = {}
    for line in tree.lines(path):
        match = _TURN.match(line.text)
        if match or line.text.startswith("["):
            votes = {}
        if match:
            turns.append({**match.groupdict(), "where": line.where, "votes": votes})
        elif line.text.startswith("["):
            tree.findings.add("broken", line.where, "no turn")
        else:
            _vote(votes, line.text)
    return turns


def _vote(votes: dict[str, float], text: str) -> None:
    """Give each evaluator one vote, shared among the categories named; no self-reports."""
    rater = _RATER.match(text)
    if rater and rater[1] == "E":
        named = [word.strip() for word in rater[2].split(";") if word.strip()]
        for word in named:
            votes[word] = votes.get(word, 0.0) + 1.0 / len(named)


def _items(
    tree: Tree, place: tuple[str, str, int], turn: dict[str, Any], spoken: dict[str, str]
) -> Iterator[Item]:
    session, dialogue, number = place
    name, where = turn["turn"], turn["where"]
    match = _NAME.fullmatch(name)
    if match is None:
        tree.findings.add("broken", where, f"turn {name!r}")
        return
    speaker = f"Ses0{match[1]}{match[3]}"
    common: dict[str, Any] = {
        "native": turn["label"],
        "where": where,
        "speaker": speaker,
        "text": spoken.get(name),
        "votes": tree.votes(turn["votes"], where),
        "valence": tree.dimension(turn["v"].strip(), where),
        "arousal": tree.dimension(turn["a"].strip(), where),
        "dominance": tree.dimension(turn["d"].strip(), where),
        "about": {
            "dialogue": dialogue,
            "turn": number,
            "group": session,
            "gender": "female" if match[3] == "F" else "male",
            "half": "left" if match[2] == match[3] else "right",
        },
    }
    wave = tree.held(f"{session}/sentences/wav/{dialogue}/{name}.wav")
    film = tree.path(f"{session}/dialog/avi/DivX/{dialogue}.avi")
    if wave:
        yield tree.item("voice", f"{name}/voice", wave, **common)
    if film and tree.held(film):
        times: dict[str, Any] = {"start_s": float(turn["start"]), "end_s": float(turn["end"])}
        yield tree.item("face", f"{name}/face", film, **times, **common)
    if name in spoken:
        yield tree.item("text", f"{name}/text", **common)


def _transcript(tree: Tree, name: str) -> dict[str, str]:
    path = tree.find(name)
    if path is None:
        tree.findings.add("missing", name)
        return {}
    matches = (_SPOKEN.match(line.text) for line in tree.lines(path))
    return {match[1]: match[2] for match in matches if match}
