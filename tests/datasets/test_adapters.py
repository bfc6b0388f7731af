"""Every adapter over a small tree in the official layout of its corpus, defects included."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from datasets.trees import CASES
from datasets.trees.plant import put

from edge_emo.datasets.adapter import Adapter, make_adapter
from edge_emo.datasets.catalogue import corpora
from edge_emo.datasets.clips import Clip
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


@pytest.mark.parametrize(
    "name", sorted(name for name, corpus in corpora().items() if corpus.group == "dialogue")
)
def test_what_is_split_by_dialogue_has_dialogues(name: str, tmp_path: Path) -> None:
    adapter = _adapter(name, tmp_path)
    tree = Tree(CASES[name].plant(tmp_path / "planted"), adapter.corpus)
    assert any("dialogue" in item.about for item in adapter.items(tree))


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


def _found(adapter: Adapter, root: Path) -> tuple[list[Clip], dict[str, int]]:
    """Return clips, those whose file is made without its name, and findings."""
    tree = Tree(find_root(adapter.corpus, root), adapter.corpus)
    items = list(adapter.items(tree))
    clips = [replace(one.clip, path="made") if one.make else one.clip for one in items]
    return clips, dict(tree.findings.counts)


@pytest.mark.parametrize("name", sorted(CASES))
def test_suffixes_in_capitals_change_no_more_than_paths(name: str, tmp_path: Path) -> None:
    root, adapter = CASES[name].plant(tmp_path / "planted"), _adapter(name, tmp_path)
    clips, findings = _found(adapter, root)
    for path in [path for path in root.rglob("*") if path.is_file()]:
        path.rename(path.with_suffix(path.suffix.upper()))
    loud, heard = _found(adapter, root)
    for clip, other in zip(clips, loud, strict=True):
        assert (other.path or "").lower() == (clip.path or "").lower()
        assert replace(other, path=clip.path) == clip
        if clip.path not in (None, "made"):
            assert CASES[name].absent or (root / str(other.path)).is_file()
    assert heard == findings


@pytest.mark.parametrize("name", sorted(CASES))
def test_tables_of_other_systems_change_nothing(name: str, tmp_path: Path) -> None:
    root, adapter = CASES[name].plant(tmp_path / "planted"), _adapter(name, tmp_path)
    before = _found(adapter, root)
    for path in [path for path in root.rglob("*") if path.is_file()]:
        raw = path.read_bytes()
        if path.suffix.lower() in (".csv", ".tsv", ".txt", ".json", ".xml", ".gold", ""):
            mark = b"" if raw.startswith(b"\xef\xbb\xbf") else b"\xef\xbb\xbf"
            path.write_bytes(mark + raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert _found(adapter, root) == before


def test_names_with_accents_apart_are_those_of_the_table(tmp_path: Path) -> None:
    composed, apart = "Zoë/fröhlich 가.WAV", unicodedata.normalize("NFD", "Zoë/fröhlich 가.WAV")
    files = {"info.csv": f"file,mood,who\n{composed[:-3]}wav,euphoric,Zoë\n", apart: b"RIFF"}
    root = put(tmp_path / "delivery", files)
    mapping = tmp_path / "columns.toml"
    mapping.write_text(
        'table = "info.csv"\n[columns]\npath = "file"\nlabel = "mood"\nspeaker = "who"\n'
    )
    adapter = make_adapter("unidata", mapping)
    tree = Tree(root, adapter.corpus)
    (item,) = adapter.items(tree)
    assert item.clip.path == apart
    assert item.clip.clip == "unidata/Zoë/fröhlich 가"
    assert item.clip.speaker == "unidata/Zoë"
    assert (root / item.clip.path).is_file()
    assert dict(tree.findings.counts) == {}


def test_names_with_accents_apart_match_and_name_clips_as_others_do(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "Zoë_froh.wav")
    tree = Tree(put(tmp_path / "corpus", {apart: b"RIFF"}), make_adapter("tess").corpus)
    ((path, match),) = tree.matches(r"(\w+ë)_froh\.wav")
    assert (path, match[1]) == (apart, "Zoë")
    assert tree.item("voice", path[:-4], path, speaker=match[1]).clip.clip == "tess/Zoë_froh"


@pytest.mark.parametrize("name", ["n" * 300 + ".wav", "../a.wav", "/etc/hosts.wav", "a\0.wav", ""])
def test_a_name_that_no_file_can_have_is_not_there(name: str, tmp_path: Path) -> None:
    tree = Tree(put(tmp_path / "corpus", {"b.wav": b"RIFF"}), make_adapter("tess").corpus)
    assert tree.find(name) is None
    assert tree.path(name, "B.wav") == "b.wav"
