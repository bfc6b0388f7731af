"""Preparing: roots, strictness, broken input, parts, nothing half-written."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from datasets.trees import CASES
from datasets.trees.plant import put, tone
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_emo.cli.app import main
from edge_emo.datasets.adapter import Adapter, make_adapter
from edge_emo.datasets.catalogue import Corpus, corpora, corpus_of, find, parse_corpus
from edge_emo.datasets.check import check_manifests, read_about
from edge_emo.datasets.clips import Clip, read_clips, write_clips
from edge_emo.datasets.findings import Findings
from edge_emo.datasets.prepare import Options, about_path, prepare
from edge_emo.datasets.root import find_root
from edge_emo.datasets.splits import PARTS, assign_parts, leave_one_out
from edge_emo.datasets.tables import read_lines, read_rows
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import ConfigError, DatasetError
from edge_emo.features.physio_quality import columns_of


def test_another_corpus_is_named(tmp_path: Path) -> None:
    root = CASES["emodb"].plant(tmp_path / "deep" / "er")
    with pytest.raises(DatasetError, match=r"looks like EmoDB \(Berlin\) \(emodb\)") as raised:
        find_root(corpus_of("ravdess"), root)
    assert "Actor_" in raised.value.hint


@pytest.mark.parametrize("name", sorted(set(CASES) - {"emotionx", "emotionlines"}))
def test_no_corpus_is_taken_for_another(name: str, tmp_path: Path) -> None:
    root = CASES[name].plant(tmp_path / "x" / "y")
    taken = [other.name for other in corpora().values() if _is_near(other, root)]
    assert name in taken
    assert set(taken) - {name} <= {"caer-s", "caer", "eev"} or taken == [name]


def _is_near(corpus: Corpus, root: Path) -> bool:
    try:
        return find_root(corpus, root) == root
    except DatasetError:
        return False


def test_strict_refuses_and_leaves_nothing(tmp_path: Path) -> None:
    root = CASES["ravdess"].plant(tmp_path / "in")
    out = tmp_path / "out" / "r.jsonl"
    with pytest.raises(DatasetError, match="findings") as raised:
        prepare(make_adapter("ravdess"), root, out, Options(strict=True))
    assert "notes.wav" in raised.value.hint
    assert list(out.parent.iterdir()) == []


def test_labels_can_be_changed_and_modalities_chosen(tmp_path: Path) -> None:
    root = CASES["iemocap"].plant(tmp_path / "in")
    out = tmp_path / "i.jsonl"
    options = Options(modalities=("voice",), labels={"exc": ""})
    summary = prepare(make_adapter("iemocap"), root, out, options)
    assert summary.counts["modality"] == {"voice": 1}
    assert read_clips(out)[0].label is None
    assert json.loads(about_path(out).read_text())["native"] == "exc"


def test_unreadable_media_is_left_out_when_verified(tmp_path: Path) -> None:
    root = CASES["tess"].plant(tmp_path / "in")
    (root / "OAF_Fear" / "OAF_back_fear.wav").write_bytes(b"RIFF but no more")
    summary = prepare(make_adapter("tess"), root, tmp_path / "t.jsonl", Options(verify=True))
    assert summary.clips == 2
    assert "OAF_back_fear" in summary.findings.first["unreadable"][0]


def test_films_are_verified_by_their_first_frame(tmp_path: Path) -> None:
    root = tmp_path / "in" / "CAER"
    for name in ("train/Anger/0001.avi", "test/Sad/0002.avi"):
        (root / name).parent.mkdir(parents=True)
        writer = cv2.VideoWriter(str(root / name), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 64))
        writer.write(np.full((64, 64, 3), 90, np.uint8))
        writer.release()
    (root / "test/Sad/0002.avi").write_bytes(bytes(300))
    options = Options(verify=True, modalities=("face",))
    summary = prepare(make_adapter("caer"), root, tmp_path / "c.jsonl", options)
    assert [clip.label for clip in read_clips(tmp_path / "c.jsonl")] == ["anger"]
    assert "is no readable film" in summary.findings.first["unreadable"][0]


def test_paths_hold_where_the_manifests_folder_is_a_link(tmp_path: Path) -> None:
    root = CASES["ased"].plant(tmp_path / "in")
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "far" / "away")
    prepare(make_adapter("ased"), root, tmp_path / "out" / "a.jsonl", Options(verify=True))
    clips = read_clips(tmp_path / "out" / "a.jsonl")
    assert len(clips) == 2
    assert all((tmp_path / "out" / str(clip.path)).is_file() for clip in clips)


def test_a_damaged_recording_is_left_out_and_the_others_are_made(tmp_path: Path) -> None:
    root = CASES["eegmat"].plant(tmp_path / "in")
    whole = (root / "Subject00_2.edf").read_bytes()
    (root / "Subject00_2.edf").write_bytes(whole[:-900])
    summary = prepare(make_adapter("eegmat"), root, tmp_path / "e.jsonl")
    assert [clip.label for clip in read_clips(tmp_path / "e.jsonl")] == ["rest"]
    assert "Subject00_2.edf is no readable EDF file" in summary.findings.first["unreadable"][0]


def test_one_id_for_two_people_is_told(tmp_path: Path) -> None:
    root = CASES["baved"].plant(tmp_path / "in")
    summary = prepare(make_adapter("baved"), root, tmp_path / "b.jsonl")
    assert summary.findings.first["speaker"] == ["baved/7: ('female', 30) and ('male', 30)"]


class _Twice(Adapter):
    name = "tess"

    def items(self, tree: Tree) -> Iterator[Item]:
        for _ in range(2):
            yield tree.item("text", "same", text="Twice the same name.")


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    root = CASES["tess"].plant(tmp_path / "in")
    with pytest.raises(DatasetError, match="'tess/same' is there twice"):
        prepare(_Twice(), root, tmp_path / "t.jsonl")
    assert not (tmp_path / "t.jsonl").exists()


class _Halved(Adapter):
    name = "tess"

    def items(self, tree: Tree) -> Iterator[Item]:
        for key, text in (("whole", "a \U0001f600 face"), ("half", "a \ud83d face")):
            yield tree.item("text", key, text=text)


def test_half_a_letter_is_left_out_and_counted(tmp_path: Path) -> None:
    root = CASES["tess"].plant(tmp_path / "in")
    summary = prepare(_Halved(), root, tmp_path / "t.jsonl")
    assert [clip.clip for clip in read_clips(tmp_path / "t.jsonl")] == ["tess/whole"]
    assert "tess/half" in summary.findings.first["broken"][0]


class _Outside(Adapter):
    name = "tess"

    def items(self, tree: Tree) -> Iterator[Item]:
        for key, path in (("in", "a.png"), ("out", "../../a.png")):
            yield tree.item("face", key, path, make=lambda: np.zeros((4, 4), np.uint8))


def test_made_files_stay_in_their_folder(tmp_path: Path) -> None:
    root = CASES["tess"].plant(tmp_path / "in")
    summary = prepare(_Outside(), root, tmp_path / "out" / "t.jsonl")
    assert [clip.clip for clip in read_clips(tmp_path / "out" / "t.jsonl")] == ["tess/in"]
    assert "leads out of" in summary.findings.first["unreadable"][0]
    assert not (tmp_path / "a.png").exists()


def _veatic(folder: Path, rate_hz: float) -> Path:
    """Plant a film of this rate with 40 frames, and their ratings."""
    rows = "\n".join(["0.5"] * 10 + ["-0.5"] * 10 + ["0.1"] * 20)
    files = {f"rating_averaged/7_{side}.csv": rows for side in ("valence", "arousal")}
    root = put(folder / "VEATIC", {**files, "videos/readme.txt": "x"})
    kind = cv2.VideoWriter.fourcc(*"mp4v")
    film = cv2.VideoWriter(str(root / "videos" / "7.mp4"), kind, rate_hz, (64, 64))
    for _ in range(40):
        film.write(np.full((64, 64, 3), 90, np.uint8))
    film.release()
    return root


@pytest.mark.parametrize("rate_hz", [0.5, 1000.0])
def test_a_film_of_veatic_whose_rate_cannot_be_is_taken_at_25(
    tmp_path: Path, rate_hz: float
) -> None:
    root = _veatic(tmp_path, rate_hz)
    summary = prepare(make_adapter("veatic"), root, tmp_path / "v.jsonl")
    (clip,) = read_clips(tmp_path / "v.jsonl")
    assert clip.valence == pytest.approx((10 * 0.5 - 10 * 0.5 + 5 * 0.1) / 25)
    assert "7.mp4: no frame rate" in summary.findings.first["value"][0]


def test_ratings_of_veatic_are_at_the_rate_of_the_film(tmp_path: Path) -> None:
    root = _veatic(tmp_path, 10.0)
    summary = prepare(make_adapter("veatic"), root, tmp_path / "v.jsonl")
    clips = read_clips(tmp_path / "v.jsonl")
    assert [(clip.start_s, clip.valence, clip.split) for clip in clips] == [
        (0.0, 0.5, "train"),
        (1.0, -0.5, "train"),
        (3.0, 0.1, "test"),
    ]
    assert dict(summary.findings.counts) == {"defect": 1}


def test_lines_of_xed_of_the_same_words_share_a_part(tmp_path: Path) -> None:
    lines = "The boat sank\t6\nThe boat sank!\t6\n...\t6\n!\t1\n"
    root = put(tmp_path / "XED", {"AnnotatedData/en-annotated.tsv": lines})
    adapter = make_adapter("xed")
    groups = [item.about["group"] for item in adapter.items(Tree(root, adapter.corpus))]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3


def test_clips_outside_the_only_list_are_of_the_other_part(tmp_path: Path) -> None:
    root = CASES["ferv39k"].plant(tmp_path / "in")
    (root / "4_setups" / "All_scenes" / "train_All.csv").unlink()
    prepare(make_adapter("ferv39k"), root, tmp_path / "f.jsonl")
    parts = [(clip.clip, clip.split) for clip in read_clips(tmp_path / "f.jsonl")]
    assert parts == [
        ("ferv39k/Action/Angry/0001", "train"),
        ("ferv39k/War/Happy/0001", "test"),
        ("ferv39k/War/Happy/0002", "train"),
    ]


def test_votes_stay_with_their_picture_when_a_row_is_broken(tmp_path: Path) -> None:
    pixels = " ".join(["7"] * 48 * 48)
    voted = ("happiness", "anger", "sadness")
    names = (
        *("neutral", "happiness", "surprise", "sadness", "anger"),
        *("disgust", "fear", "contempt", "unknown", "NF"),
    )
    table = f"emotion,pixels,Usage\n3,{pixels},Training\n0,{pixels}\n4,{pixels},Training\n"
    votes = ",".join(("Usage", "Image name", *names)) + "\n"
    for word in voted:
        votes += ",".join(("Training", "x.png", *(str(9 * (n == word)) for n in names))) + "\n"
    root = put(tmp_path / "fer", {"fer2013.csv": table, "fer2013new.csv": votes})
    summary = prepare(make_adapter("fer2013plus"), root, tmp_path / "f.jsonl")
    labels = {clip.clip: clip.label for clip in read_clips(tmp_path / "f.jsonl")}
    assert labels == {
        "fer2013plus/fer0000000": "happiness",
        "fer2013plus/fer0000002": "sadness",
    }
    assert summary.findings.counts["broken"] == 1


def _made(manifest: Path) -> dict[str, set[str]]:
    """Return the signals that a physio estimator finds in each made file."""
    signals = {}
    for path in manifest.with_suffix(".files").iterdir():
        with np.load(path) as made:
            signals[path.stem] = set(columns_of([str(name) for name in made["channels"]]))
    return signals


def test_signals_have_names_that_estimators_know(tmp_path: Path) -> None:
    root = CASES["mdmer"].plant(tmp_path / "in")
    prepare(make_adapter("mdmer"), root, tmp_path / "m.jsonl", Options(modalities=("physio",)))
    assert _made(tmp_path / "m.jsonl") == {
        **{f"1_gsr_{trial}": {"eda"} for trial in ("00", "20")},
        **{f"1_ppg_{trial}": {"bvp"} for trial in ("00", "20")},
    }
    root = CASES["emognition"].plant(tmp_path / "in")
    watch = [["2020-07-16T09:00:00:000000", 1.0], ["2020-07-16T09:00:02:000000", 2.0]]
    put(root, {"25/25_AWE_STIMULUS_SAMSUNG_WATCH.json": {"BVPProcessed": watch}})
    prepare(make_adapter("emognition"), root, tmp_path / "e.jsonl", Options(modalities=("physio",)))
    assert _made(tmp_path / "e.jsonl") == {
        "25_awe_empatica": {"bvp", "eda"},
        "25_awe_samsung_watch": {"bvp"},
    }


@pytest.mark.parametrize(
    ("name", "path", "left"),
    [
        ("eav", "subject1__/EEG/subject1_eeg_label.mat", {"face", "voice"}),
        ("mdmer", "1/sub1/datas.mat", {"face"}),
        ("emognition", "25/25_QUESTIONNAIRES.json", {"physio", "eeg"}),
        (
            "affec",
            "gsr/sub-aerj/beh/sub-aerj_task-fer_run-0_recording-gsr_physio.json",
            {"physio", "eeg"},
        ),
    ],
)
def test_a_damaged_file_of_one_subject_stops_nobody_else(
    tmp_path: Path, name: str, path: str, left: set[str]
) -> None:
    root = CASES[name].plant(tmp_path / "in")
    (root / path).write_bytes(b"{no such file")
    summary = prepare(make_adapter(name), root, tmp_path / "x.jsonl")
    assert {clip.modality for clip in read_clips(tmp_path / "x.jsonl")} == left
    assert path.rpartition("/")[2] in summary.findings.first["unreadable"][0]


def test_a_trial_outside_its_recording_is_left_out(tmp_path: Path) -> None:
    root = CASES["affec"].plant(tmp_path / "in")
    events = root / "sub-aerj" / "sub-aerj_task-fer_run-0_events.tsv"
    events.write_text(events.read_text().replace("1.0\t1.0\thappy", "90.0\t1.0\thappy"))
    with pytest.raises(DatasetError, match="has no clip") as raised:
        prepare(make_adapter("affec"), root, tmp_path / "a.jsonl")
    assert "affec/sub-aerj/0/4/eeg/felt: no sample lies in it" in raised.value.hint


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("meld", "train_splits/dia0_utt0.mp4"),
        ("iemocap", "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"),
        ("ch-sims-v2", "Raw/v_0001/0001.mp4"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_an_empty_file_that_a_table_names_is_counted(
    tmp_path: Path, name: str, path: str, content: bytes
) -> None:
    root = CASES[name].plant(tmp_path / "in")
    assert (root / path).is_file()
    (root / path).write_bytes(content)
    summary = prepare(make_adapter(name), root, tmp_path / "x.jsonl")
    assert path in summary.findings.first["unreadable"][0]
    clips = read_clips(tmp_path / "x.jsonl")
    assert not [clip for clip in clips if str(clip.path).endswith(path)]


_GSR = "gsr/sub-aerj/beh/sub-aerj_task-fer_run-0_recording-gsr_physio.tsv.gz"


@pytest.mark.parametrize("cell", ["n/a", "nan", ""])
def test_a_trial_with_a_gap_in_its_conductance_is_left_out(tmp_path: Path, cell: str) -> None:
    root = CASES["affec"].plant(tmp_path / "in")
    rows = "".join(f"{k / 50}\t{cell if k == 60 else k}\t0\n" for k in range(200))
    put(root, {_GSR: gzip.compress(rows.encode())})
    summary = prepare(make_adapter("affec"), root, tmp_path / "a.jsonl")
    assert {clip.modality for clip in read_clips(tmp_path / "a.jsonl")} == {"eeg"}
    assert "no conductance at 1.2 s" in summary.findings.first["unreadable"][0]


@pytest.mark.parametrize("missing", [range(60, 200), range(40, 80), range(60, 90)])
def test_conductance_is_not_made_up_where_rows_are_missing(tmp_path: Path, missing: range) -> None:
    root = CASES["affec"].plant(tmp_path / "in")
    rows = "".join(f"{k / 50}\t{k}\t0\n" for k in range(200) if k not in missing)
    put(root, {_GSR: gzip.compress(rows.encode())})
    summary = prepare(make_adapter("affec"), root, tmp_path / "a.jsonl")
    assert {clip.modality for clip in read_clips(tmp_path / "a.jsonl")} == {"eeg"}
    assert "no conductance for 0." in summary.findings.first["unreadable"][0]


def test_conductance_keeps_its_own_time(tmp_path: Path) -> None:
    """The planted table has 50 rows a second, each the number of its row."""
    root = CASES["affec"].plant(tmp_path / "in")
    prepare(make_adapter("affec"), root, tmp_path / "a.jsonl", Options(modalities=("physio",)))
    with np.load(tmp_path / "a.files" / "sub-aerj_0_4_gsr.npz") as made:
        data, rate_hz = made["data"][:, 0], float(made["rate_hz"])
    assert len(data) / rate_hz == pytest.approx(1.0, abs=1 / rate_hz)
    times = 1.0 + np.arange(len(data)) / rate_hz
    np.testing.assert_allclose(data[:-2], 50 * times[:-2], rtol=1e-5)


@pytest.mark.parametrize("content", [b"no gzip at all", gzip.compress(b"0\t1\t0\n" * 99)[:-9]])
def test_a_damaged_table_of_conductance_is_left_out(tmp_path: Path, content: bytes) -> None:
    root = CASES["affec"].plant(tmp_path / "in")
    put(root, {_GSR: content})
    summary = prepare(make_adapter("affec"), root, tmp_path / "a.jsonl")
    assert {clip.modality for clip in read_clips(tmp_path / "a.jsonl")} == {"eeg"}
    findings = summary.findings.first["unreadable"] + summary.findings.first.get("broken", [])
    assert any("tsv.gz" in finding for finding in findings)


def test_a_difference_of_ears_and_a_heart_are_no_electrodes(tmp_path: Path) -> None:
    root = CASES["eegmat"].plant(tmp_path / "in")
    prepare(make_adapter("eegmat"), root, tmp_path / "e.jsonl")
    with np.load(tmp_path / "e.files" / "Subject00_1.npz") as made:
        assert list(made["channels"]) == ["Fp1", "F3"]
        assert made["data"].shape == (500, 2)


def test_made_files_are_not_made_again(tmp_path: Path) -> None:
    root = CASES["eegmat"].plant(tmp_path / "in")
    out = tmp_path / "e.jsonl"
    prepare(make_adapter("eegmat"), root, out)
    made = tmp_path / "e.files" / "Subject00_1.npz"
    before = made.stat().st_mtime_ns
    prepare(make_adapter("eegmat"), root, out)
    assert made.stat().st_mtime_ns == before


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


def test_nexdata_without_mapping_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="column-mapping file"):
        make_adapter("nexdata")
    (tmp_path / "m.toml").write_text('[labels]\n"0009" = "happy"\n')
    root = CASES["nexdata"].plant(tmp_path / "in")
    with pytest.raises(ConfigError, match="T0001"):
        prepare(make_adapter("nexdata", tmp_path / "m.toml"), root, tmp_path / "n.jsonl")


def test_a_bought_table_is_read_by_its_mapping(tmp_path: Path) -> None:
    root = put(tmp_path / "in", {"d.csv": "f;e;w\na.wav;glad;p1\n", "a.wav": None})
    (root / "files" / "x--y").mkdir(parents=True)
    mapping = tmp_path / "m.toml"
    mapping.write_text(
        'table = "d.csv"\n[columns]\npath = "f"\nlabel = "e"\nspeaker = "w"\n'
        '[labels]\nglad = "joyfully"\n'
    )
    summary = prepare(make_adapter("unidata", mapping), root, tmp_path / "u.jsonl")
    clip = read_clips(summary.manifest)[0]
    assert (clip.label, clip.speaker) == ("happiness", "unidata/p1")


def test_a_bought_table_may_name_files_by_their_whole_paths(tmp_path: Path) -> None:
    elsewhere = put(tmp_path / "elsewhere", {"b.wav": None})
    root = put(tmp_path / "in", {"a.wav": None})
    rows = [f"{folder / name};happy" for folder, name in ((root, "a.wav"), (elsewhere, "b.wav"))]
    (root / "d.csv").write_text("\n".join(["f;e", *rows, f"{elsewhere / 'c.wav'};happy", ""]))
    (root / "files" / "x--y").mkdir(parents=True)
    mapping = tmp_path / "m.toml"
    mapping.write_text('table = "d.csv"\n[columns]\npath = "f"\nlabel = "e"\n')
    summary = prepare(make_adapter("unidata", mapping), root, tmp_path / "u.jsonl")
    paths = [tmp_path / (clip.path or "") for clip in read_clips(summary.manifest)]
    assert [path.resolve() for path in paths] == [root / "a.wav", elsewhere / "b.wav"]
    assert summary.findings.counts["missing"] == 1


def test_the_index_refuses_to_be_prepared(tmp_path: Path) -> None:
    root = put(tmp_path / "in", {"src/ser-datasets.json": {}})
    with pytest.raises(DatasetError, match="is an index"):
        prepare(make_adapter("ser-datasets"), root, tmp_path / "s.jsonl")


def test_rows_survive_bom_crlf_and_cp1252_and_name_what_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbfa, b\r\n1,"x, y"\r\nonly\r\n2,na\xefve\r\n3,4,5\r\n')
    findings = Findings()
    rows = list(read_rows(path, findings, needs=("a", "b")))
    assert [dict(row.cells) for row in rows] == [{"a": "1", "b": "x, y"}, {"a": "2", "b": "naïve"}]
    assert rows[1].where == f"{path}:4"
    assert findings.first["broken"] == [f"{path}:3: 1 cells for 2", f"{path}:5: 3 cells for 2"]
    assert findings.first["encoding"] == [f"{path}:4"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_files_that_are_not_what_they_seem(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        list(read_lines(path, Findings()))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match=r"x\.csv:1: has no column 'c'"):
        list(read_rows(path, Findings(), needs=("a", "c")))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abcd", min_size=1), st.integers(1, 50), min_size=3), st.integers())
def test_groups_stay_whole_and_every_part_gets_one(sizes: dict[str, int], seed: int) -> None:
    assigned = assign_parts(sizes, seed)
    assert set(assigned) == set(sizes)
    assert set(assigned.values()) == set(PARTS)
    assert assign_parts(dict(sorted(sizes.items(), reverse=True)), seed) == assigned


def test_one_or_two_groups_are_enough_to_train() -> None:
    assert assign_parts({"a": 5}) == {"a": "train"}
    assert sorted(assign_parts({"a": 5, "b": 5}).values()) == ["test", "train"]


def test_shares_come_near(tmp_path: Path) -> None:
    sizes = {f"s{n}": random.Random(n).randint(20, 40) for n in range(60)}
    counts = Counter[str]()
    for group, part in assign_parts(sizes, 3).items():
        counts[part] += sizes[group]
    for part, share in PARTS.items():
        assert abs(counts[part] / sum(sizes.values()) - share) < 0.03


def test_leave_one_out_holds_each_out_once() -> None:
    clips = [Clip(f"c{n}", "text", speaker=s, text="x") for n, s in enumerate("aab")]
    folds = list(leave_one_out(clips, lambda clip: clip.speaker))
    assert [(f.held, len(f.train), len(f.test)) for f in folds] == [("a", 1, 2), ("b", 2, 1)]


def _text(name: str, part: str, text: str, **more: object) -> Clip:
    return Clip(name, "text", corpus="own", split=part, text=text, **more)  # type: ignore[arg-type]


def test_overlap_of_speakers_and_texts_is_found(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    write_clips(
        manifest,
        [
            _text("a", "train", "The small boat went out at dawn.", speaker="own/1"),
            _text("b", "test", "the small boat went OUT at dusk", speaker="own/1"),
            _text("c", "test", "Yes.", speaker="own/2"),
            _text("d", "train", "Yes.", speaker="own/3"),
        ],
    )
    found = {overlap.what: overlap for overlap in check_manifests([manifest]).overlaps}
    assert found["speakers"].first == ["own/1"]
    assert found["near-identical texts"].first == ["a = b"]
    assert set(found) == {"speakers", "near-identical texts"}


@pytest.mark.parametrize(
    ("other", "near"),
    [
        ("The small boat went out at dusk", True),
        ("The very small boat went out at dawn", True),
        ("The boat went out at dawn", True),
        ("Then the small boat went out at dawn!", True),
        ("The old boat went out at dusk", False),
        ("The boat went out", False),
    ],
)
def test_a_word_changed_added_or_left_out_hides_no_copy(
    tmp_path: Path, other: str, near: bool
) -> None:
    manifest = tmp_path / "m.jsonl"
    text = "The small boat went out at dawn"
    write_clips(manifest, [_text("a", "train", text), _text("b", "test", other)])
    found = [overlap.what for overlap in check_manifests([manifest]).overlaps]
    assert found == ["near-identical texts"] * near


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("今天早上小船出海去了，没有回来。", "今天早上小船出海去了,没有回来", True),
        ("今天早上小船出海去了，没有回来。", "今天早上那小船出海去了，没有回来", True),
        ("今天早上小船出海去了，没有回来。", "昨天晚上大船出海去了，没有回来", False),
        ("小船出海去了", "小船出海去了", False),
        ("Das Boot fuhr fru\u0308h u\u0308ber das Meer", "Das Boot fuhr früh über das Meer", True),
    ],
)
def test_texts_without_blanks_and_of_other_code_points_are_compared(
    tmp_path: Path, one: str, other: str, near: bool
) -> None:
    manifest = tmp_path / "m.jsonl"
    write_clips(manifest, [_text("a", "train", one), _text("b", "test", other)])
    found = [overlap.what for overlap in check_manifests([manifest]).overlaps]
    assert found == ["near-identical texts"] * near


def test_overlapping_windows_and_dialogues_are_found(tmp_path: Path) -> None:
    def window(name: str, start_s: float, part: str) -> Clip:
        return Clip(name, "eeg", path="x.npz", start_s=start_s, end_s=start_s + 5, split=part)

    manifest = tmp_path / "m.jsonl"
    write_clips(
        manifest, [window("a", 0, "train"), window("b", 4, "test"), window("c", 9, "train")]
    )
    about_path(manifest).write_text('{"clip": "a", "dialogue": 1}\n{"clip": "b", "dialogue": 1}\n')
    found = {overlap.what: overlap for overlap in check_manifests([manifest]).overlaps}
    assert found["overlapping windows"].first == ["a and b"]
    assert found["dialogues"].count == 1


def test_a_film_seen_in_one_part_and_heard_in_another_is_found(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    seen = Clip("a", "face", path="x.mp4", split="train")
    write_clips(manifest, [seen, Clip("b", "voice", path="x.mp4", split="test")])
    (found,) = check_manifests([manifest]).overlaps
    assert (found.what, found.first) == ("overlapping windows", ["b and a"])


def test_the_same_sound_at_another_level_is_found(tmp_path: Path) -> None:
    for name, gain, base in (("a", 0.3, 300.0), ("b", 0.05, 300.0), ("c", 0.3, 900.0)):
        tone(tmp_path / f"{name}.wav", base, 0.8, gain)
    clips = [
        Clip("a", "voice", path="a.wav", split="train"),
        Clip("b", "voice", path="b.wav", split="test"),
        Clip("c", "voice", path="c.wav", split="test"),
    ]
    write_clips(tmp_path / "m.jsonl", clips)
    found = check_manifests([tmp_path / "m.jsonl"], media=True).overlaps
    assert [(o.what, o.first) for o in found] == [("near-identical media", ["b = a"])]


def test_a_manifest_edited_by_hand_names_its_line(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    write_clips(manifest, [_text("a", "train", "x"), _text("b", "test", "y")])
    manifest.write_text(manifest.read_text().replace('"b"', '"b", "note": 1'))
    with pytest.raises(DatasetError, match=r"m\.jsonl:2: unknown key 'note'"):
        check_manifests([manifest])


@pytest.mark.parametrize("line", [b"[]", b"\xff", b"3", b"[" * 100_000, b'{"clip": ' + b"9" * 5000])
def test_what_is_beside_a_manifest_names_its_line(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "m.about.jsonl").write_bytes(b'{"clip": "a"}\n' + line)
    with pytest.raises(DatasetError, match=r"m\.about\.jsonl:2: no JSON object with a clip"):
        list(read_about(tmp_path / "m.jsonl"))


def test_what_is_beside_another_manifest_is_refused(tmp_path: Path) -> None:
    """A manifest filtered by hand would lose its dialogues without a word."""
    manifest = tmp_path / "m.jsonl"
    write_clips(manifest, [_text("b", "train", "x"), _text("c", "test", "y")])
    rows = ({"clip": name, "dialogue": 1} for name in "abc")
    about_path(manifest).write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DatasetError, match=r"m\.about\.jsonl tells of 'a'"):
        check_manifests([manifest])


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


def test_the_command_line_prepares_and_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = CASES["ased"].plant(tmp_path / "in")
    out = tmp_path / "ased.jsonl"
    assert main(["datasets", "prepare", "ASED", str(root.parent), "--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "2 clips" in captured.out
    assert f"the corpus begins at {root}" in captured.err
    assert main(["datasets", "check", str(out)]) == 0
    assert main(["datasets", "show", "emo-db"]) == 0
    assert "w → anger" in capsys.readouterr().out


def test_the_command_line_refuses_overlap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("train", "test"):
        clip = Clip(f"{part}1", "text", text="x", speaker="own/1")
        write_clips(tmp_path / f"{part}.jsonl", [clip])
    both = [str(tmp_path / "train.jsonl"), str(tmp_path / "test.jsonl")]
    assert main(["datasets", "check", *both]) == 1
    assert "share 1 speakers: own/1" in capsys.readouterr().err
    assert main(["datasets", "check", "--allow", "speakers", *both]) == 0


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
