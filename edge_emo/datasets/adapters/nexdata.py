"""NexData: ``T0001G0003S00001.wav`` with its text beside it; what T means is in a mapping file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.columns import read_mapping, table_items
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import ConfigError

_NAME = r"T(\d{4})G(\d{4})S(\d{5})\.wav"
_EVENT = re.compile(r"\{-(\w+)=([^}]*)-\}")


class Nexdata(Adapter):
    """Read sentences; ``[labels]`` of the mapping file says which T is which emotion."""

    name = "nexdata"
    needs_columns = True

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a sound file, or a row of the mapped table."""
        if self.columns is None:
            raise ConfigError("nexdata needs a mapping file that says which T is which emotion")
        mapped = read_mapping(self.columns)
        if mapped.table:
            yield from table_items(tree, mapped)
            return
        for path, match in tree.matches(_NAME, suffixes=(".wav",)):
            if match[1] not in mapped.labels:
                raise ConfigError(
                    f"{self.columns}: [labels] does not say what T{match[1]} is ({path})"
                )
            text, events = _text(tree, path[:-4] + ".txt")
            yield tree.item(
                "voice",
                match.string[:-4],
                path,
                native=mapped.labels[match[1]],
                speaker=f"G{match[2]}",
                text=text,
                about={"sentence": match[3], **({"events": events} if events else {})},
            )


def _text(tree: Tree, name: str) -> tuple[str | None, list[str]]:
    path = tree.find(name)
    if path is None:
        tree.findings.add("missing", name)
        return None, []
    raw = " ".join(line.text for line in tree.lines(path))
    return " ".join(_EVENT.sub(" ", raw).split()), [match[1] for match in _EVENT.finditer(raw)]
