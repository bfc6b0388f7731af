"""Lines of dialogues: their order, what was said before, and which part they are in."""

from __future__ import annotations

from pathlib import Path

from datasets.trees.plant import put

from edge_emo.datasets.adapter import make_adapter
from edge_emo.datasets.clips import read_clips
from edge_emo.datasets.prepare import prepare
from edge_emo.datasets.tree import Tree


def test_lines_of_xed_of_the_same_words_share_a_part(tmp_path: Path) -> None:
    lines = "The boat sank\t6\nThe boat sank!\t6\n...\t6\n!\t1\n"
    root = put(tmp_path / "XED", {"AnnotatedData/en-annotated.tsv": lines})
    adapter = make_adapter("xed")
    groups = [item.about["group"] for item in adapter.items(Tree(root, adapter.corpus))]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3


def test_lines_of_a_dialogue_carry_what_was_said_just_before(tmp_path: Path) -> None:
    said = ["Ahoy.", "Who calls?", "The ferry.", "At this hour?", "We had a storm."]
    talk = [
        {"speaker": "AB"[n % 2], "utterance": text, "emotion": "neutral"}
        for n, text in enumerate(said)
    ]
    holed = [talk[0], {"speaker": "B"}, talk[2]]
    root = put(
        tmp_path / "EmotionLines",
        {f"Friends/friends_{part}.json": [talk, holed] for part in ("train", "dev", "test")},
    )
    prepare(make_adapter("emotionlines"), root, tmp_path / "have.jsonl")
    clips = {clip.clip: clip for clip in read_clips(tmp_path / "have.jsonl")}
    key = "emotionlines/friends/train"
    assert [said["text"] for said in clips[f"{key}/0/4"].context or ()] == said[1:4]
    assert (clips[f"{key}/0/1"].context or [{}])[0] == {
        "speaker": "emotionlines/A",
        "text": "Ahoy.",
    }
    for first in ("0/0", "1/0", "1/2"):
        assert clips[f"{key}/{first}"].context is None


def test_turns_of_iemocap_come_as_they_were_said(tmp_path: Path) -> None:
    """Its label files list all turns of one speaker before those of the other."""
    said = {"F000": (1.0, "Ahoy."), "F001": (5.0, "The ferry."), "M000": (3.0, "Who calls?")}
    base, name = "Session1/dialog", "Ses01F_impro01"
    labels = "".join(
        f"[{start} - {start + 1}]\t{name}_{turn}\tneu\t[3.0, 3.0, 3.0]\n\n"
        for turn, (start, _) in said.items()
    )
    texts = "".join(
        f"{name}_{turn} [{start}-{start + 1}]: {text}\n" for turn, (start, text) in said.items()
    )
    files = {f"EmoEvaluation/{name}.txt": labels, f"transcriptions/{name}.txt": texts}
    root = put(tmp_path / "IEMOCAP", {f"{base}/{path}": text for path, text in files.items()})
    prepare(make_adapter("iemocap"), root, tmp_path / "i.jsonl")
    clips = read_clips(tmp_path / "i.jsonl")
    assert [clip.text for clip in clips] == ["Ahoy.", "Who calls?", "The ferry."]
    assert [before["text"] for before in clips[2].context or ()] == ["Ahoy.", "Who calls?"]


def test_lines_of_emotiontalk_come_as_they_were_said(tmp_path: Path) -> None:
    """Its table may list all lines of one speaker before those of the other."""
    said = {"07_001": "你好。", "07_003": "再见。", "08_002": "早上好。", "x": "?"}
    rows = "".join(f"G00001/G00001_01_{turn},neutral,{text}\n" for turn, text in said.items())
    table = {"mm-process/transcription.csv": f"name,emotion,chinese\n{rows}"}
    summary = prepare(
        make_adapter("emotiontalk"), put(tmp_path / "ET", table), tmp_path / "e.jsonl"
    )
    clips = read_clips(tmp_path / "e.jsonl")
    assert [clip.text for clip in clips] == ["你好。", "早上好。", "再见。"]
    assert [before["text"] for before in clips[2].context or ()] == ["你好。", "早上好。"]
    assert summary.findings.counts["extra"] == 1
