"""Recipes with part of their corpora, representative sets, and instruction data."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from datasets.trees import CASES
from datasets.trees.plant import put

from edge_emo.cli.app import main
from edge_emo.datasets.adapter import make_adapter
from edge_emo.datasets.catalogue import corpora
from edge_emo.datasets.chat import export_chat
from edge_emo.datasets.check import check_manifests
from edge_emo.datasets.clips import Clip, read_clips, write_clips
from edge_emo.datasets.mix import mix, recipe_of, recipes, representative, write_parts
from edge_emo.datasets.prepare import about_path, prepare
from edge_emo.errors import ConfigError, DatasetError


def test_the_recipes_are_those_of_the_seed_list() -> None:
    assert set(recipes()) == {
        *("foundation", "specialization", "advanced", "context"),
        *("video", "audio-text", "language-model", "physiological"),
    }
    for recipe in recipes().values():
        for row in recipe.corpora:
            assert row.name in corpora()
            assert set(row.modalities) <= set(corpora()[row.name].modalities)


def _have(folder: Path, *names: str) -> Path:
    for name in names:
        root = CASES[name].plant(folder / "in" / name)
        prepare(make_adapter(name), root, folder / "have" / f"{name}.jsonl")
    return folder / "have"


def test_a_mix_that_fails_leaves_nothing(tmp_path: Path) -> None:
    have, out = _have(tmp_path, "meld", "goemotions"), tmp_path / "out"
    with (have / "goemotions.jsonl").open("a", encoding="utf-8") as file:
        file.write("{")
    with pytest.raises(DatasetError):
        mix(recipe_of("foundation"), have, out)
    assert list(out.iterdir()) == []


def test_a_recipe_runs_with_what_is_there_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    have = _have(tmp_path, "meld", "goemotions")
    out = tmp_path / "out"
    assert main(["datasets", "mix", "foundation", str(have), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert "missing: iemocap: no natural dyads" in captured.err
    assert "meld 9, goemotions 4" in captured.out
    parts = Counter(
        clip.split
        for part in ("train", "validation", "test")
        for clip in read_clips(out / f"{part}.jsonl")
    )
    assert parts == {"train": 9, "validation": 2, "test": 2}
    face = next(clip for clip in read_clips(out / "train.jsonl") if clip.modality == "face")
    assert (out / str(face.path)).is_file()
    weights = json.loads((out / "recipe.json").read_text())["weights"]
    assert weights["meld"]["neutral"] > weights["meld"]["sadness"]


def test_training_texts_that_another_corpus_tests_are_dropped(tmp_path: Path) -> None:
    same = "The small boat went out at dawn"
    for name, part in (("meld", "train"), ("goemotions", "test")):
        clip = Clip(f"{name}/1", "text", corpus=name, split=part, text=same, label="neutral")
        write_clips(tmp_path / f"{name}.jsonl", [clip])
    mixed = mix(recipe_of("audio-text"), tmp_path, tmp_path / "out")
    assert (mixed.dropped, mixed.parts) == (1, {"test": 1})


def test_a_recipe_without_any_corpus_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no corpus of foundation"):
        mix(recipe_of("foundation"), tmp_path, tmp_path / "out")
    with pytest.raises(ConfigError, match="no recipe 'stew'"):
        recipe_of("stew")


def test_a_representative_set_is_balanced_seeded_and_small(tmp_path: Path) -> None:
    clips = [
        Clip(f"{label}{n}", "voice", path=f"{n}.wav", speaker=f"s{n % 5}", label=label, split=part)
        for label, count in (("anger", 500), ("fear", 40))
        for n, part in zip(range(count), ["train", "train", "test"] * 200, strict=False)
    ]
    write_clips(tmp_path / "m.jsonl", clips)
    drawn = representative(tmp_path / "m.jsonl", tmp_path / "q.jsonl", count=40)
    assert Counter(clip.label for clip in drawn) == {"anger": 20, "fear": 20}
    assert {clip.split for clip in drawn} == {"train"}
    assert set(Counter(c.speaker for c in drawn if c.label == "anger").values()) == {4}
    other = representative(tmp_path / "m.jsonl", tmp_path / "o.jsonl", count=40, seed=1)
    assert [clip.clip for clip in other] != [clip.clip for clip in drawn]
    with pytest.raises(ConfigError, match="1 … 512"):
        representative(tmp_path / "m.jsonl", tmp_path / "o.jsonl", count=513)


def test_parts_are_written_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    have = _have(tmp_path, "goemotions")
    out = tmp_path / "deep" / "parts"
    assert main(["datasets", "parts", str(have / "goemotions.jsonl"), "--out", str(out)]) == 0
    assert capsys.readouterr().out == "dev 1, test 1, train 2\n"
    assert [clip.split for clip in read_clips(out / "dev.jsonl")] == ["dev"]


def test_parts_keep_what_is_known_beside(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    clips = [Clip(n, "text", text=n, split=p) for n, p in (("a", "train"), ("b", "test"))]
    write_clips(manifest, [*clips, Clip("c", "text", text="c", split="dev")])
    beside = [{"clip": "a", "dialogue": 1, "cause": "ü"}, {"clip": "b", "dialogue": 1}]
    about_path(manifest).write_text("".join(json.dumps(row) + "\n" for row in beside))
    put(tmp_path / "out", {"dev.about.jsonl": '{"clip": "former"}\n'})
    write_parts(manifest, tmp_path / "out")
    kept = {path.name: path for path in (tmp_path / "out").glob("*.about.jsonl")}
    assert set(kept) == {"train.about.jsonl", "test.about.jsonl"}
    assert json.loads(kept["train.about.jsonl"].read_text()) == beside[0]
    parts = [tmp_path / "out" / f"{part}.jsonl" for part in ("train", "test")]
    assert [overlap.what for overlap in check_manifests(parts).overlaps] == ["dialogues"]
    assert not list((tmp_path / "out").glob("*.part"))


def test_parts_lie_behind_a_link_and_paths_hold(tmp_path: Path) -> None:
    root = put(tmp_path / "in", {"a.wav": None})
    write_clips(root / "m.jsonl", [Clip("a", "voice", path="a.wav", split="train")])
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "far" / "away")
    write_parts(root / "m.jsonl", tmp_path / "out")
    (clip,) = read_clips(tmp_path / "out" / "train.jsonl")
    assert (tmp_path / "out" / str(clip.path)).is_file()


def test_a_part_is_no_way_out_of_the_folder(tmp_path: Path) -> None:
    clips = [Clip(f"a{part}", "text", text="x", split=part) for part in ("test", "../train")]
    write_clips(tmp_path / "m.jsonl", clips)
    with pytest.raises(DatasetError, match=r"part '\.\./train'"):
        write_parts(tmp_path / "m.jsonl", tmp_path / "deep")
    assert not list(tmp_path.rglob("*.part"))


def test_instruction_rows_carry_licence_and_source(tmp_path: Path) -> None:
    root = CASES["emobank"].plant(tmp_path / "in")
    manifest = tmp_path / "e.jsonl"
    prepare(make_adapter("emobank"), root, manifest)
    counts = export_chat(manifest, tmp_path / "chat.jsonl", tasks=("dimensions",))
    rows = [json.loads(line) for line in (tmp_path / "chat.jsonl").read_text().splitlines()]
    assert counts == {"dimensions": 3}
    assert rows[0]["licence"] == "CC-BY-SA-4.0"
    assert rows[0]["source"] == "emobank/110X_1_2"
    roles = [message["role"] for message in rows[0]["messages"]]
    assert roles == ["system", "user", "assistant"]
    assert json.loads(rows[0]["messages"][2]["content"]) == {
        "valence": 0.0,
        "arousal": 0.5,
        "dominance": 1.0,
    }
    assert "writer of this text mean" in rows[2]["messages"][1]["content"]


def test_restricted_corpora_are_refused_unless_told_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = _have(tmp_path, "emotion-stimulus") / "emotion-stimulus.jsonl"
    words = ["datasets", "export", str(manifest), "--out", str(tmp_path / "c.jsonl")]
    assert main(words) == 1
    assert "does not let its texts be passed on" in capsys.readouterr().err
    assert not (tmp_path / "c.jsonl").exists()
    assert main([*words, "--allow-restricted", "--task", "cause"]) == 0
    row = json.loads((tmp_path / "c.jsonl").read_text())
    assert row["messages"][2]["content"] == "that the boat came back"


def test_context_looks_back_within_a_dialogue_only(tmp_path: Path) -> None:
    texts = [("a", 1, "Shall we row?"), ("b", 1, "Gladly!"), ("c", 2, "A storm.")]
    manifest = tmp_path / "m.jsonl"
    write_clips(
        manifest,
        [
            Clip(name, "text", corpus="own", text=text, label="happiness", speaker=f"own/{name}")
            for name, _, text in texts
        ],
    )
    lines = [
        json.dumps({"clip": name, "dialogue": number, "turn": turn})
        for turn, (name, number, _) in enumerate(texts)
    ]
    about_path(manifest).write_text("\n".join(lines) + "\n")
    out = tmp_path / "c.jsonl"
    counts = export_chat(manifest, out, tasks=("context", "reply"), allow_restricted=True)
    assert counts == {"context": 1, "reply": 1}
    context, reply = (json.loads(line)["messages"] for line in out.read_text().splitlines())
    assert context[1]["content"].endswith("a: Shall we row?\nb: Gladly!")
    assert reply[2]["content"] == "Gladly!"


@pytest.mark.parametrize("turns", [(0, 2), (None, None), ("0001", "0002")])
def test_sentences_that_do_not_follow_each_other_are_no_conversation(
    tmp_path: Path, turns: tuple[object, object]
) -> None:
    manifest = tmp_path / "m.jsonl"
    clips = [Clip(n, "text", corpus="own", text="A calm sea.", label="neutral") for n in "ab"]
    write_clips(manifest, clips)
    beside = zip("ab", turns, strict=True)
    lines = [json.dumps({"clip": name, "dialogue": "d", "turn": turn}) for name, turn in beside]
    about_path(manifest).write_text("\n".join(lines) + "\n")
    counts = export_chat(manifest, tmp_path / "c.jsonl", allow_restricted=True)
    assert counts == {"classification": 2}


@pytest.mark.parametrize("content", [b"\xff", b"a = " + b"[" * 100_000, b"corpora = 3", b"x = 1"])
def test_a_damaged_recipe_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"own\.toml"):
        recipe_of(str(path))
