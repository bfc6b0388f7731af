"""MSP-IMPROV: perceived labels from the evaluation file, which is found by either spelling."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree
from edge_emo.types import Modality

_NAME = r"MSP-IMPROV-S(\d{2})([AHSN])-([FM])(0[1-6])-([PRST])-([FM]{2}\d{2})\.(wav|avi)"
_TURN = re.compile(
    r"UTD-(IMPROV-[A-Z0-9-]+)\.avi; ([A-Z]); A:([^;]*); V:([^;]*); D:([^;]*) ?; N:([^;]*);"
)
_KINDS = {"R": "target read", "P": "natural", "S": "improvised S", "T": "improvised T"}


class Turn(NamedTuple):
    """What the evaluation file says of one turn."""

    label: str
    arousal: str
    valence: str
    dominance: str
    naturalness: str
    raters: dict[str, str]
    where: str


class MspImprov(Adapter):
    """Dyadic improvised speech with dimensions."""

    name = "msp-improv"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield every sound, then every film."""
        turns = _turns(tree)
        missing = set(turns)
        for path, match in tree.matches(_NAME, suffixes=(".wav", ".avi")):
            stem = match.string[:-4]
            turn = turns.get(stem)
            if turn is None:
                tree.findings.add("extra", path, "the evaluation file does not name it")
                continue
            missing.discard(stem)
            modality: Modality = "voice" if match[7].lower() == "wav" else "face"
            yield _item(tree, modality, path, match, turn)
        for stem in sorted(missing):
            tree.findings.add("missing", f"{stem}.wav")


def _item(tree: Tree, modality: Modality, path: str, match: re.Match[str], turn: Turn) -> Item:
    votes: dict[str, float] = {}
    for word in turn.raters.values():
        votes[word] = votes.get(word, 0.0) + 1.0
    about: dict[str, Any] = {
        "group": f"session{int(match[4])}",
        "dialogue": f"{match[1]}{match[2]}-{match[4]}-{match[5]}",
        "gender": "female" if match[3].upper() == "F" else "male",
        "target": match[2].upper(),
        "kind": _KINDS[match[5].upper()],
        "naturalness": tree.number(turn.naturalness.strip(), turn.where),
    }
    return tree.item(
        modality,
        f"{match.string[:-4]}/{modality}",
        path,
        native=turn.label,
        where=turn.where,
        speaker=f"{match[3].upper()}{match[4]}",
        votes=tree.votes(votes, turn.where),
        valence=_dimension(tree, turn.valence, turn.where),
        arousal=_dimension(tree, turn.arousal, turn.where),
        dominance=_dimension(tree, turn.dominance, turn.where),
        about=about,
    )


def _dimension(tree: Tree, text: str, where: str) -> float | None:
    return tree.dimension("" if text.strip().lower() == "nan" else text.strip(), where)


def _turns(tree: Tree) -> dict[str, Turn]:
    turns: dict[str, Turn] = {}
    current: Turn | None = None
    for line in tree.lines(tree.need("Evalution.txt", "Evaluation.txt")):
        match = _TURN.match(line.text)
        if match:
            current = Turn(match[2], match[3], match[4], match[5], match[6], {}, line.where)
            turns[f"MSP-{match[1]}"] = current
        elif line.text.startswith("UTD-"):
            tree.findings.add("broken", line.where, "no turn")
            current = None
        elif current and line.text.count(";") >= 2:
            _rate(tree, current, line.text, line.where)
    return turns


def _rate(tree: Tree, turn: Turn, text: str, where: str) -> None:
    rater, primary = (cell.strip() for cell in text.split(";")[:2])
    if rater in turn.raters:
        tree.findings.add("duplicate", where, f"rater {rater!r} again")
    turn.raters[rater] = primary
