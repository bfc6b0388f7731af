"""The catalogue of corpora: finding, merging, refusing what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets.trees.plant import put

from edge_emo.cli.app import main
from edge_emo.datasets.adapter import make_adapter
from edge_emo.datasets.catalogue import corpora, find, parse_corpus
from edge_emo.datasets.prepare import prepare
from edge_emo.errors import DatasetError


def test_the_index_refuses_to_be_prepared(tmp_path: Path) -> None:
    root = put(tmp_path / "in", {"src/ser-datasets.json": {}})
    with pytest.raises(DatasetError, match="is an index"):
        prepare(make_adapter("ser-datasets"), root, tmp_path / "s.jsonl")


def test_every_filter_of_find_narrows() -> None:
    assert [c.name for c in find(modality="eeg", licence="commercial", dimension="valence")] == [
        "affec",
        "dasps",
    ]
    assert {c.name for c in find(perspective="writer")} >= {"emobank", "emotion-stimulus"}
    assert "isear" in {c.name for c in find(perspective="felt")}
    assert {c.name for c in find(perspective="reader")} == {"emobank", "semeval2007"}
    assert all("de" in c.languages for c in find(language="de"))


def test_the_seed_list_is_whole() -> None:
    assert {corpus.number for corpus in corpora().values()} >= set(range(1, 30))


@pytest.mark.parametrize(
    ("text", "message"),
    [("name = ", "not valid TOML"), ("nam = 1", "unknown key"), ('name = "x"', "missing")],
)
def test_a_wrong_catalogue_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        parse_corpus(text, "x.toml")


def test_list_merges_an_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"Year": 2018, "Emotions": "3 emotions: anger, calm, joy.", "License": "CC BY 4.0"}
    rest = {"Language": "Greek", "Access": "Open", "Dataset-link": "https://example.org"}
    put(tmp_path, {"src/ser-datasets.json": {"Own Corpus": {**row, **rest}, "RAVDESS": row}})
    assert main(["datasets", "list", "--index", str(tmp_path), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    listed = {line["title"]: line for line in lines if "known_as" in line}
    assert listed["Own Corpus"]["categories"] == ["anger", "happiness"]
    assert listed["Own Corpus"]["left"] == ["calm"]
    assert listed["RAVDESS"]["known_as"] == "ravdess"
