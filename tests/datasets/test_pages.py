from __future__ import annotations

from pathlib import Path

from edge_emo.datasets.catalogue import corpora
from edge_emo.datasets.pages import pages

DOCS = Path(__file__).resolve().parents[2] / "docs" / "datasets"


def test_the_pages_are_what_the_catalogue_makes() -> None:
    made = pages()
    kept = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
    differ = [name for name in {*made, *kept} if made.get(name) != kept.get(name)]
    assert not differ, "run: python tools/dataset_pages.py"


def test_every_label_of_every_corpus_is_on_its_page() -> None:
    made = pages()
    for corpus in corpora().values():
        for native in corpus.labels:
            assert f"| {native} |" in made[f"{corpus.name}.md"]
