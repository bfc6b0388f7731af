"""EmoDB: ``wav/03a01Fa.wav`` and the recognition rates of ``erkennung.txt``."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree

_NAME = r"(03|08|09|1[0-6])([ab]\d\d)([WLEAFTN])([a-z])\.wav"
_MEN = ("03", "10", "11", "12", "15")


class Emodb(Adapter):
    """Acted German speech."""

    name = "emodb"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a file."""
        folder = "wav" if (tree.root / "wav").is_dir() else "wav_corpus"
        rates = _rates(tree)
        for path, match in tree.matches(_NAME, folder, (".wav",)):
            stem = path.rpartition("/")[2][:-4]
            gender = "male" if match[1] in _MEN else "female"
            about = {"gender": gender, "sentence": match[2], **rates.get(stem, {})}
            yield tree.item(
                "voice", stem, path, native=match[3].upper(), speaker=match[1], about=about
            )


def _rates(tree: Tree) -> dict[str, dict[str, float]]:
    """Read what share of listeners recognised each take and found it natural."""
    path = tree.find("erkennung.txt")
    rates: dict[str, dict[str, float]] = {}
    if path is None:
        return rates
    for line in tree.lines(path):
        cells = [cell.strip(" \xa0").replace(",", ".") for cell in line.text.split("\t")]
        if len(cells) >= 4 and cells[0].rstrip(".").isdigit():
            values = tree.number(cells[2], line.where), tree.number(cells[3], line.where)
            if None not in values:
                stem = cells[1].removesuffix(".wav")
                rates[stem] = {"recognised": values[0] or 0.0, "natural": values[1] or 0.0}
    return rates
