"""Finding where a corpus begins: the folder given, one or two levels deeper, or shallower."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_emo.datasets.catalogue import Corpus, corpora
from edge_emo.datasets.tree import is_litter
from edge_emo.errors import DatasetError

LEVELS = 2


def find_root(corpus: Corpus, given: str | Path) -> Path:
    """Return the corpus's own folder.

    Args:
        corpus: The corpus.
        given: The folder that the user named.

    Returns:
        ``given`` itself, a folder up to two levels below it, or one of its two parents.

    Raises:
        DatasetError: There is no such folder, it is another corpus, or nothing of this one is
            near it; the message names what is there and the hint what was looked for.
    """
    root = Path(given)
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder", hint="name the folder as it was published")
    for candidate in (root, *_below(root, LEVELS), *_above(root)):
        if is_root(corpus, candidate):
            return candidate
    other = next((row for row in corpora().values() if is_root(row, root)), None)
    hint = f"{corpus.title} has {' or '.join(corpus.roots)}"
    if other is not None:
        raise DatasetError(f"{root} looks like {other.title} ({other.name})", hint=hint)
    raise DatasetError(f"{root} is not {corpus.title}, nor is anything near it", hint=hint)


def is_root(corpus: Corpus, folder: Path) -> bool:
    """Tell whether one of the corpus's marks is in ``folder``."""
    found = (path for pattern in corpus.roots for path in folder.glob(_any_case(pattern)))
    return any(not _within_litter(path.relative_to(folder)) for path in found)


def _below(root: Path, levels: int) -> Iterator[Path]:
    folders = (path for path in root.iterdir() if path.is_dir())
    children = sorted(path for path in folders if not is_litter(path.name))
    yield from children
    if levels > 1:
        for child in children:
            yield from _below(child, levels - 1)


def _any_case(pattern: str) -> str:
    """Return a pattern whose suffix matches in capitals too, as cameras write it."""
    stem, dot, suffix = pattern.rpartition(".")
    if not suffix.isalnum():
        return pattern
    return stem + dot + "".join(f"[{letter.lower()}{letter.upper()}]" for letter in suffix)


def _within_litter(path: Path) -> bool:
    return any(map(is_litter, path.parts))


def _above(root: Path) -> list[Path]:
    return list(root.absolute().parents)[:LEVELS]
