"""Trials of body signals: damaged files, gaps, odd channels and bounds."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from datasets.trees import CASES
from datasets.trees.plant import put

from edge_emo.datasets.adapter import make_adapter
from edge_emo.datasets.clips import read_clips
from edge_emo.datasets.prepare import Options, prepare
from edge_emo.errors import DatasetError
from edge_emo.features.physio_quality import columns_of


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


@pytest.mark.parametrize("onset", ["3.5", "-0.5"])
def test_a_trial_of_which_the_recording_has_a_part_is_left_out(tmp_path: Path, onset: str) -> None:
    root = CASES["affec"].plant(tmp_path / "in")
    events = root / "sub-aerj" / "sub-aerj_task-fer_run-0_events.tsv"
    events.write_text(events.read_text().replace("1.0\t1.0\thappy", f"{onset}\t1.0\thappy"))
    with pytest.raises(DatasetError, match="has no clip") as raised:
        prepare(make_adapter("affec"), root, tmp_path / "a.jsonl", Options(modalities=("eeg",)))
    assert "the recording has but a part" in raised.value.hint


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
