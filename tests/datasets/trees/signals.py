"""Small trees of the corpora of EEG and wearables, in their official layouts."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
from datasets.trees.plant import FILM, Case, edf, put


def _npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _mat(**arrays: Any) -> bytes:
    from scipy.io import savemat

    file = io.BytesIO()
    savemat(file, arrays)
    return file.getvalue()


def _eav(folder: Path) -> Path:
    trials = (("Listening", "Neutral"), ("Speaking", "Neutral"), ("Listening", "Calmness"))
    files: dict[str, Any] = {}
    for index, (task, emotion) in enumerate(trials, start=1):
        name = f"{index:03d}_Trial_{index:02d}_{task}_{emotion}"
        files[f"subject1__/Video/{name}.mp4"] = None
        if task == "Speaking":
            files[f"subject1__/Audio/{name}_aud.wav"] = None
    onehot = np.zeros((10, 3))
    onehot[[1, 0, 9], [0, 1, 2]] = 1
    data = np.zeros((40, 30, 3))
    data[:, 4, 2] = 7.0
    files["subject1__/EEG/subject1_eeg.mat"] = _mat(seg=data)
    files["subject1__/EEG/subject1_eeg_label.mat"] = _mat(label=onehot)
    return put(folder / "EAV", files)


def _mdmer(folder: Path) -> Path:
    def array(channels: int) -> Any:
        data = np.ones((channels + 1, 12))
        data[-1] = [0] * 4 + [20] * 4 + [40] * 4
        return data

    content = _mat(eeg_datas=array(18), gsr_datas=array(1), ppg_datas=array(1))
    return put(
        folder / "mdmer",
        {"1/sub1/datas.mat": content, "1/sub1/splitraw/9.mp4": FILM, "1/x.txt": "x"},
    )


def _emognition(folder: Path) -> Path:
    stamp = "2020-07-16T09:00:{:02d}:{:06d}"
    bvp = [[stamp.format(k // 64, (k % 64) * 15625), float(k)] for k in range(128)]
    eda = [[stamp.format(k // 4, (k % 4) * 250000), 0.5] for k in range(8)]
    raw = {f"RAW_{name}": [1.0, None, 3.0] for name in ("TP9", "AF7", "AF8", "TP10")}
    report = {"movie": "AWE", "emotions": {"AWE": 5}, "sam": {"VALENCE": 9, "AROUSAL": 3}}
    return put(
        folder / "emognition",
        {
            "25/25_QUESTIONNAIRES.json": {
                "metadata": {"id": 25, "gender": "F"},
                "questionnaires": [report],
            },
            "25/25_AWE_STIMULUS_EMPATICA.json": {"BVP": bvp, "GSR": eda},
            "25/25_AWE_WASHOUT_EMPATICA.json": {"BVP": bvp},
            "25/25_FEAR_STIMULUS_MUSE.json": raw,
            "25/notes.json": {},
            "37/37_FEAR_STIMULUS_EMPATICA.json": {"BVP": bvp},
            "37/37_QUESTIONNAIRES.json": {"metadata": {}, "questionnaires": []},
        },
    )


def _affec(folder: Path) -> Path:
    events = "onset\tduration\ttrial_type\tstim_file\tflag\n"
    events += "0.0\t1.0\thappy\ts1.mp4\tscenario\n1.0\t1.0\thappy\ts1.mp4\tvideo\n"
    events += "2.5\t0.5\tsad\ts2.mp4\tvideo\n"
    rated = "trial\tstim_file\ttrial_type\tp_emotion_a\tp_emotion_v\tf_emotion_a\tf_emotion_v\n"
    rated += "4\ts1.mp4\thappy\t9\t7\t1\t5\n"
    gsr = "onset\tGSR_Conductance_cal\tx\n" + "".join(f"{k / 50}\t{k}\t0\n" for k in range(200))
    columns = ["onset", "GSR_Conductance_cal", "x"]
    stem = "sub-aerj_task-fer_run-0"
    return put(
        folder / "AFFEC",
        {
            "task-fer_events.json": {},
            "participants.tsv": (
                'participant_id\t"age "\tgender\tO\tC\nsub-aerj\t30\tFemale\t3.5\tx\n'
            ),
            f"sub-aerj/{stem}_events.tsv": events,
            f"sub-aerj/beh/{stem}_beh.tsv": rated,
            f"gsr/sub-aerj/beh/{stem}_recording-gsr_physio.tsv.gz": gzip.compress(gsr.encode()),
            f"gsr/sub-aerj/beh/{stem}_recording-gsr_physio.json": {"Columns": columns[:2]},
            "gsr/sub-aerj/beh/sub-aerj_task-fer_run-1_recording-gsr_physio.json": {
                "Columns": columns
            },
            f"sub-aerj/eeg/{stem}_eeg.edf": edf(["Fz", "Cz"], 256, 4),
        },
    )


def _dasps(folder: Path) -> Path:
    return put(
        folder / "dasps",
        {
            "dasps_raw.npz": _npz(
                S01_data=np.ones((2, 16, 2), np.int16),
                S01_labels=np.array([[1, 9], [5, 3]], np.float32),
                S01_hamilton=np.array([[25], [37]], np.float32),
                channels=np.array(["AF3", "F7"]),
                rate_hz=np.float32(128),
                unit_uv=np.float32(0.5),
            )
        },
    )


def _eegmat(folder: Path) -> Path:
    people = "Subject,Age,Gender,Recording year,Number of subtractions,Count quality\r\n"
    people += "Subject00,21,F,2011,9.7,0\r\n"
    recording = edf(["EEG Fp1", "EEG F3", "EEG A2-A1", "ECG ECG"], 500, 1)
    return put(
        folder / "eegmat",
        {"Subject00_1.edf": recording, "Subject00_2.edf": recording, "subject-info.csv": people},
    )


def _stress(folder: Path) -> Path:
    def stream(start: float, rate: float, count: int) -> str:
        return "\r\n".join([str(start), str(rate), *[str(k) for k in range(count)]]) + "\r\n"

    def presses(person: str, *marks: float) -> dict[str, str]:
        folder = f"Raw_data/{person}"
        return {
            f"{folder}/BVP.csv": stream(100.0, 64.0, 640),
            f"{folder}/EDA.csv": stream(102.0, 4.0, 40),
            f"{folder}/TEMP.csv": stream(100.0, 4.0, 40),
            f"{folder}/HR.csv": stream(100.0, 1.0, 12),
            f"{folder}/tags.csv": "".join(f"{mark}\r\n" for mark in marks),
        }

    return put(
        folder / "Stress-Predict",
        {
            **presses("S02", 104.0, 107.0),
            "Raw_data/S03/BVP.csv": stream(100.0, 64.0, 640),
            **presses("S04", -42_000.0, 104.0, 107.0),
            **presses("S06", 104.0, 107.0),
        },
    )


CASES = {
    "eav": Case(
        _eav,
        {
            "01/001/face": {"label": "neutral", "about.task": "listening"},
            "01/002/face": {},
            "01/003/face": {"label": None, "about.native": "Calmness"},
            "01/002/voice": {"label": "neutral", "speaker": "eav/01"},
            "01/001/eeg": {"label": "neutral", "about.task": "listening", "perspective": "felt"},
            "01/002/eeg": {"about.task": "speaking", "about.trial": "01/002"},
            "01/003/eeg": {"label": None, "path": "01_003.npz"},
        },
    ),
    "mdmer": Case(
        _mdmer,
        {
            "1/00/eeg": {"valence": 1.0, "label": None, "perspective": "felt"},
            "1/20/eeg": {"valence": None, "about.native": "mixed"},
            "1/00/gsr": {"modality": "physio"},
            "1/20/gsr": {},
            "1/00/ppg": {},
            "1/20/ppg": {},
            "1/09/face": {"valence": -1.0, "perspective": "expressed"},
        },
    ),
    "emognition": Case(
        _emognition,
        {
            "25/awe/empatica": {
                "label": None,
                "valence": 1.0,
                "arousal": -0.5,
                "about.self_report": {"AWE": 5},
                "about.drugs": True,
                "about.gender": "female",
            },
            "25/fear/muse": {"label": "fear", "modality": "eeg"},
        },
        {"extra": 1, "defect": 1},
    ),
    "affec": Case(
        _affec,
        {
            "sub-aerj/0/4/eeg/felt": {
                "label": None,
                "valence": 0.0,
                "arousal": -1.0,
                "perspective": "felt",
                "about.personality": {"o": 3.5},
            },
            "sub-aerj/0/4/eeg/perceived": {
                "label": "happiness",
                "valence": 0.5,
                "perspective": "expressed",
            },
            "sub-aerj/0/4/gsr/felt": {"modality": "physio", "about.gender": "female"},
            "sub-aerj/0/4/gsr/perceived": {},
        },
        {"value": 1, "missing": 1},
    ),
    "dasps": Case(
        _dasps,
        {
            "S01_00": {"valence": -1.0, "arousal": 0.0, "label": None},
            "S01_01": {"valence": 1.0, "about.hamilton": [25.0, 37.0]},
        },
    ),
    "eegmat": Case(
        _eegmat,
        {
            "Subject00_1": {"label": "rest", "about.gender": "female", "perspective": "felt"},
            "Subject00_2": {"label": "load", "about.good_at_arithmetic": False},
        },
    ),
    "stress-predict": Case(
        _stress,
        {
            "S02_00": {"label": "baseline", "speaker": "stress-predict/S02"},
            "S02_01": {"label": None, "about.phase": 1},
            "S02_02": {"about.phases": 3},
            "S03_00": {"label": None},
            **{f"S04_{phase:02d}": {"label": None} for phase in range(3)},
            **{f"S06_{phase:02d}": {"label": None} for phase in range(3)},
        },
        {"missing": 4, "value": 1, "defect": 1},
    ),
}
