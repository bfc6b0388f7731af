"""UniData: four readings of one text a speaker, and a table of the speakers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.columns import read_mapping, table_items
from edge_emo.datasets.tables import sniff_delimiter
from edge_emo.datasets.tree import Item, Tree

_NAME = r"(euphoric|joyfully|sad|surprised)(\(\d+\))?\.(wav|amr)"


class Unidata(Adapter):
    """The public sample; a bought delivery by a column-mapping file."""

    name = "unidata"
    takes_columns = True

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a file, or a row of the mapped table."""
        if self.columns is not None:
            yield from table_items(tree, read_mapping(self.columns))
            return
        people = _people(tree)
        for folder in ("files", "data"):
            for path, match in tree.matches(_NAME, folder, (".wav", ".amr")):
                speaker = path.split("/")[-2]
                person = people.get(speaker, {})
                about = {key: person[key] for key in ("gender", "age", "country") if key in person}
                yield tree.item(
                    "voice",
                    f"{speaker}/{match.string.rpartition('.')[0]}",
                    path,
                    native=match[1].lower(),
                    speaker=speaker,
                    text=person.get("text"),
                    about=about,
                )


def _people(tree: Tree) -> dict[str, Mapping[str, str]]:
    people: dict[str, Mapping[str, str]] = {}
    for name in tree.files(suffixes=(".csv",)):
        path = tree.root / name
        delimiter = sniff_delimiter(path, tree.findings)
        for row in tree.rows(path, delimiter=delimiter, needs=("set_id",)):
            people[row.cells["set_id"]] = row.cells
    return people
