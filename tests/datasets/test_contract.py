"""The shipped suite, as the author of a plug-in uses it, and that it tells a bad adapter."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from datasets.trees.plant import put

from edge_emo.cli.app import main
from edge_emo.datasets.adapter import ADAPTERS, Adapter, known_corpus
from edge_emo.datasets.catalogue import Corpus, parse_corpus
from edge_emo.datasets.chat import export_chat
from edge_emo.datasets.clips import Clip, write_clips
from edge_emo.datasets.contract import AdapterContract
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import ConfigError, DatasetError

OWN = parse_corpus(
    """
name = "harbour"
title = "Harbour"
modalities = ["voice"]
size = "2 clips"
emotions = "2"
languages = ["en"]
licence = "CC0-1.0"
commercial = true
obtain = "it is made here"
citation = "none"
best_for = "a test"
splits = "by speaker"
layout = "takes/<speaker>_<label>.wav"
roots = ["takes"]

[labels]
glad = "happiness"
calm = ""
""",
    "harbour.toml",
)


class Harbour(Adapter):
    name = "harbour"

    @property
    def corpus(self) -> Corpus:
        return OWN

    def items(self, tree: Tree) -> Iterator[Item]:
        for path, match in tree.matches(r"(\w+)_(\w+)\.wav", "takes", (".wav",)):
            yield tree.item("voice", path[6:-4], path, native=match[2], speaker=match[1])


def _plant(folder: Path) -> Path:
    return put(folder / "Harbour", dict.fromkeys(["takes/ada_glad.wav", "takes/bo_calm.wav"]))


class TestOwnCorpus(AdapterContract):
    def make(self) -> Adapter:
        return Harbour()

    def plant(self, folder: Path) -> Path:
        return _plant(folder)


class Careless(Harbour):
    """Gives a list, and one name twice."""

    def items(self, tree: Tree) -> Iterator[Item]:
        items = list(super().items(tree))
        return [item._replace(clip=items[0].clip) for item in items]  # type: ignore[return-value]


class _OfCareless(TestOwnCorpus):
    def make(self) -> Adapter:
        return Careless()


@pytest.mark.parametrize(
    "clause", ["test_yields_lazily_and_the_same_every_time", "test_clips_are_what_a_manifest_holds"]
)
def test_a_careless_adapter_is_told(clause: str) -> None:
    with pytest.raises(AssertionError):
        getattr(_OfCareless(), clause)()


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> None:
    names, load = ADAPTERS.names(), ADAPTERS.load
    monkeypatch.setattr(ADAPTERS, "names", lambda: (*names, "harbour"))
    monkeypatch.setattr(ADAPTERS, "load", lambda name: Harbour if name == "harbour" else load(name))


@pytest.mark.usefixtures("plugged")
def test_a_corpus_of_a_plug_in_is_known_by_its_own_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert known_corpus("harbour") is OWN
    assert known_corpus("meld").name == "meld"
    with pytest.raises(ConfigError, match="no corpus 'pier'"):
        known_corpus("pier")
    assert main(["datasets", "show", "harbour"]) == 0
    assert "CC0-1.0" in capsys.readouterr().out


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize("redistribute", [True, False])
def test_texts_of_a_plug_in_are_passed_on_as_its_row_says(
    redistribute: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = dataclasses.replace(OWN, redistribute=redistribute)
    monkeypatch.setattr(Harbour, "corpus", row)
    clip = Clip("h/1", "text", corpus="harbour", text="A ship.", label="happiness", licence="CC0")
    write_clips(tmp_path / "m.jsonl", [clip])
    if redistribute:
        assert export_chat(tmp_path / "m.jsonl", tmp_path / "out.jsonl")
    else:
        with pytest.raises(DatasetError, match="harbour: its licence"):
            export_chat(tmp_path / "m.jsonl", tmp_path / "out.jsonl")
