"""The contract of an adapter, and the table of those that there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from edge_emo.datasets.catalogue import Corpus, corpora, corpus_of
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import ConfigError
from edge_emo.registry import Table


class Adapter(ABC):
    """Reads one corpus in its official layout.

    Attributes:
        name: Name of the corpus.
        takes_columns: Whether it can read by a column-mapping file.
        needs_columns: Whether it reads nothing without one.
    """

    name: ClassVar[str]
    takes_columns: ClassVar[bool] = False
    needs_columns: ClassVar[bool] = False

    def __init__(self, columns: Path | None = None) -> None:
        self.columns = columns

    @property
    def corpus(self) -> Corpus:
        """The corpus's row of the catalogue; a plug-in gives its own."""
        return corpus_of(self.name)

    @abstractmethod
    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield every clip lazily, in the same order every time.

        What is wrong with the corpus goes to ``tree.findings``; a clip that cannot be read is
        left out, never given a neutral label.
        """


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))


ADAPTERS = Table(
    "edge_emo.datasets",
    {
        name: f"edge_emo.datasets.adapters.{name.replace('-', '_')}:{_class_name(name)}"
        for name in corpora()
    },
)
"""Corpus name to adapter class; entry points of the group extend it."""


def make_adapter(name: str, columns: str | Path | None = None) -> Adapter:
    """Return the adapter of a corpus.

    Raises:
        ConfigError: No such corpus, or it needs a column-mapping file and none is given, or one is
            given and it reads none.
    """
    known = ADAPTERS.names()
    kind: type[Adapter] = ADAPTERS.load(name if name in known else corpus_of(name).name)
    if kind.needs_columns and columns is None:
        raise ConfigError(
            f"{name} needs a column-mapping file, since its layout is not public in detail",
            hint=f"--columns FILE; docs/datasets/{name}.md shows one",
        )
    if columns is not None and not (kind.takes_columns or kind.needs_columns):
        raise ConfigError(
            f"{name} is read in its published layout, not by a column-mapping file",
            hint="leave --columns out",
        )
    return kind(Path(columns) if columns is not None else None)


def known_corpus(name: str) -> Corpus:
    """Return the row of a corpus: the catalogue's, or what its plug-in gives.

    Raises:
        ConfigError: There is no such corpus.
    """
    if name in corpora() or name not in ADAPTERS.names():
        return corpus_of(name)
    kind: type[Adapter] = ADAPTERS.load(name)
    return kind().corpus


def open_tree(adapter: Adapter, root: Path, labels: Mapping[str, str] | None = None) -> Tree:
    """Return the tree that an adapter reads, at a folder that is the corpus's own."""
    return Tree(root, adapter.corpus, labels=labels)
