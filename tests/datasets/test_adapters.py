"""Every adapter over a small tree in the official layout of its corpus, defects included."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets.trees import CASES

from edge_emo.datasets.adapter import Adapter, make_adapter
from edge_emo.datasets.catalogue import corpora
from edge_emo.datasets.contract import AdapterContract
from edge_emo.datasets.root import find_root
from edge_emo.datasets.tree import Tree


def _adapter(name: str, place: Path) -> Adapter:
    columns = CASES[name].columns
    if columns is None:
        return make_adapter(name)
    path = place / f"{name}.columns.toml"
    path.write_text(columns, encoding="utf-8")
    return make_adapter(name, path)


def test_every_corpus_has_a_small_tree_except_the_index() -> None:
    assert set(corpora()) - set(CASES) == {"ser-datasets"}


@pytest.mark.parametrize("name", sorted(CASES))
def test_reads_the_official_layout(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    adapter = _adapter(name, tmp_path)
    tree = Tree(case.plant(tmp_path / "planted"), adapter.corpus)
    items = {item.clip.clip.partition("/")[2]: item for item in adapter.items(tree)}
    assert set(items) == set(case.clips)
    for key, fields in case.clips.items():
        item = items[key]
        for field, value in fields.items():
            beside = field.startswith("about.")
            found = item.about.get(field[6:]) if beside else getattr(item.clip, field)
            assert found == value, (key, field)
    assert dict(tree.findings.counts) == dict(case.findings), tree.findings.lines()


class _Contract(AdapterContract):
    name: str
    place: Path

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.place = tmp_path
        self.absent = CASES[self.name].absent

    def make(self) -> Adapter:
        return _adapter(self.name, self.place)

    def plant(self, folder: Path) -> Path:
        return CASES[self.name].plant(folder)


for _name in sorted(CASES):
    _class = f"Test{''.join(part.capitalize() for part in _name.split('-'))}Contract"
    globals()[_class] = type(_class, (_Contract,), {"name": _name, "__module__": __name__})


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_an_archive_leaves_beside_a_corpus_is_not_taken_for_it(
    name: str, tmp_path: Path
) -> None:
    root = CASES[name].plant(tmp_path / "a" / "planted")
    beside = tmp_path / "a" / "planted" / "__MACOSX"
    for path in [path for path in root.rglob("*") if path.is_file()]:
        for place in (beside / path.relative_to(root), beside / path.relative_to(root.parent)):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.with_name(f"._{path.name}").write_bytes(b"\x00\x05")
    corpus = _adapter(name, tmp_path).corpus
    assert find_root(corpus, tmp_path / "a") == root
    assert find_root(corpus, tmp_path / "a" / "planted") == root
