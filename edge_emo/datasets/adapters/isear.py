"""ISEAR: ``|``-separated self-reports; ``Field1`` is the emotion, ``SIT`` the text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tables import Line
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import DatasetError

_NEEDS = ("ID", "Field1", "MYKEY", "SIT")
_BREAK = re.compile(r"á(?=\s|$)")
"""What the published table has where a line of a report ended."""

_EMPTY = ("no response", "blank", "none", "nothing", "no description", "not applicable")


class Isear(Adapter):
    """Situations told by those who felt them."""

    name = "isear"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a report; those without text are left out."""
        lines = tree.lines(tree.need("isear.csv"))
        names = [name.strip() for name in next(lines, Line("", "")).text.split("|")]
        missing = [name for name in _NEEDS if name not in names]
        if missing:
            raise DatasetError(f"{tree.root / 'isear.csv'}:1: has no column {missing[0]!r}")
        for line in lines:
            yield from _report(tree, names, line)


def _report(tree: Tree, names: list[str], line: Line) -> Iterator[Item]:
    """Read one report; separators within the text push the last columns to the right."""
    values, first = line.text.split("|"), names.index("SIT")
    surplus = len(values) - len(names)
    if surplus < 0:
        tree.findings.add("broken", line.where, f"{len(values)} cells for {len(names)}")
        return
    cells = dict(zip(names, values, strict=False))
    told = " ".join(values[first : first + 1 + surplus])
    text = " ".join(_BREAK.sub(" ", told).split())
    if not text or text.lower().strip(" [].") in _EMPTY:
        tree.findings.add("defect", line.where, "no response")
        return
    sex = {"1": "male", "2": "female"}.get(cells.get("SEX", "").strip())
    person, native = cells["ID"].strip(), cells["Field1"].strip()
    yield tree.item(
        "text",
        f"{person}-{native.lower()}-{line.where.rpartition(':')[2]}",
        native=native,
        where=line.where,
        text=text,
        speaker=person,
        about={"gender": sex} if sex else {},
    )
