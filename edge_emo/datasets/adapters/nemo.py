"""nEMO: ``samples/EB0_anger_1.wav`` and ``data.tsv`` with transcripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tables import Row
from edge_emo.datasets.tree import Item, Tree

_NAME = r"([A-Z]+\d+)_([a-z]+)_(\d+)\.wav"


class Nemo(Adapter):
    """Acted Polish speech."""

    name = "nemo"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a file; rows of the table without file are missing."""
        table = _table(tree)
        for path, match in tree.matches(_NAME, "samples", (".wav",)):
            name = path.rpartition("/")[2]
            row = table.pop(name.lower(), None)
            about: dict[str, Any] = {"gender": row.cells["gender"]} if row else {}
            if row and (age := tree.whole(row.cells["age"], row.where)) is not None:
                about["age"] = age
            yield tree.item(
                "voice",
                name[:-4],
                path,
                native=match[2].lower(),
                speaker=match[1],
                text=row.cells["raw_text"] if row else None,
                about=about,
            )
        for row in table.values():
            tree.findings.add("missing", f"samples/{row.cells['file_id'].strip()}")


def _table(tree: Tree) -> dict[str, Row]:
    path = tree.find("data.tsv")
    if path is None:
        tree.findings.add("missing", "data.tsv", "no transcripts")
        return {}
    needs = ("file_id", "emotion", "raw_text", "speaker_id", "gender", "age")
    rows = tree.rows(path, delimiter="\t", quoted=False, needs=needs)
    return {row.cells["file_id"].strip().lower(): row for row in rows}
