"""Small trees of the corpora of faces and films, in their official layouts."""

from __future__ import annotations

from pathlib import Path

from datasets.trees.plant import Case, put

_EEV = "amusement,anger,awe,concentration,confusion,contempt,contentment,disappointment,doubt,"
_EEV += "elation,interest,pain,sadness,surprise,triumph"


def _iemocap(folder: Path) -> Path:
    labels = (
        "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        "[6.2901 - 8.2357]\tSes01F_impro01_F000\texc\t[4.0000, 2.5000, 5.5000]\n"
        "C-E2:\tExcited; Happiness;\t(loud)\nC-E3:\tNeutral state;\t()\n"
        "C-F1:\tAnger;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
        "[10.0 - 11.5]\tSes01F_impro01_M000\txxx\t[2.0000, 3.0000, ]\n\n[broken\n"
        "C-E2:\tAnger;\t()\n"
    )
    said = "Ses01F_impro01_F000 [006.2901-008.2357]: The boat came back.\nF: [remark]\n"
    said += "Ses01F_impro01_MXX0 [009.0-009.5]: Mm.\n"
    base = "Session1/dialog/"
    wave = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    return put(
        folder / "IEMOCAP_full_release",
        {
            f"{base}EmoEvaluation/Ses01F_impro01.txt": labels,
            f"{base}EmoEvaluation/Categorical/Ses01F_impro01_e2_cat.txt": "x\n",
            f"{base}transcriptions/Ses01F_impro01.txt": said,
            f"{base}avi/DivX/Ses01F_impro01.avi": None,
            wave: None,
        },
    )


def _mead(folder: Path) -> Path:
    names = ["audio/angry/level_2/001.m4a", "audio/sad/level_1/003.m4a"]
    names += ["video/front/angry/level_2/001.mp4"]
    names += ["video/left_30/happy/level_3/001.mp4", "video/front/neutral/level_1/001.txt"]
    return put(folder / "MEAD", {f"M003/{name}": None for name in names})


def _emotiontalk(folder: Path) -> Path:
    name = "G00001_42_14_024"
    path = f"G00001/G00001_42/G00001_42_14/{name}"
    return put(
        folder / "EmotionTalk",
        {
            f"Audio/{path}.wav": None,
            f"Video/{path}.mp4": None,
            "mm-process/transcription.csv": (
                f"name,emotion,chinese\n{path},neutral,[over/]好的[/over]\n"
            ),
            "mm-process/mm.csv": f"file_name,emotion\n{path}.mp4,happy\n",
            "mm-process/audio.csv": f"file_name,emotion\n{path}.mp4,sad\n",
            "mm-process/video.csv": f"file_name,emotion\n{path}.mp4,angry\n",
        },
    )


def _caer(folder: Path) -> Path:
    names = ["train/Anger/0001.avi", "validation/angry/0002.avi", "test/Happy/0001.avi"]
    return put(folder / "CAER", dict.fromkeys([*names, "test/Happy/readme.txt"]))


def _caer_s(folder: Path) -> Path:
    names = ["train/Anger/0001.png", "test/Sad/0002.png"]
    boxes = "train/Angry/0001.png,0,295,97,394,195\n"
    return put(folder / "CAER-S", {**dict.fromkeys(names), "train.txt": boxes})


def _veatic(folder: Path) -> Path:
    rows = [f"{k},{0.5 if k < 25 else -0.5}" for k in range(100)]
    lines = "\n".join(["0,0.25"] * 25) + "\n"
    holed = ["0.5", "nan"] + ["0.5"] * 23 + ["nan"] * 25 + ["0.5"] * 50
    return put(
        folder / "VEATIC",
        {
            "rating_averaged/7_valence.csv": "\n".join(rows) + "\n",
            "rating_averaged/7_arousal.csv": "\n".join(["0.1"] * 102) + "\n",
            "rating_averaged/99_valence.csv": lines,
            "rating_averaged/99_arousal.csv": lines,
            "rating_averaged/8_valence.csv": "\n".join(holed) + "\n",
            "rating_averaged/8_arousal.csv": "\n".join(["0.1"] * 100) + "\n",
            "videos/7.mp4": None,
            "videos/8.mp4": None,
            "videos/99.mp4": None,
        },
    )


def _ferv(folder: Path) -> Path:
    base = "2_ClipsforFaceCrop"
    frames = [f"{base}/Action/Angry/0001/{n}.jpg" for n in (1, 2, 3, 10, 11)]
    frames += [f"{base}/War/Happy/0001/1.jpg", f"{base}/War/Happy/0002/1.jpg"]
    return put(
        folder / "FERV39k",
        {
            **dict.fromkeys(frames),
            "4_setups/All_scenes/train_All.csv": "Action/Angry/0001 3 3\nCrime/Sad/0009 5 1\n",
            "4_setups/All_scenes/test_All.csv": "War/Happy/0001,Happy\n",
        },
    )


def _eev(folder: Path) -> Path:
    header = "Video ID,Timestamp (milliseconds)," + _EEV + "\n"
    zero, glad = ",".join(["0"] * 15), ",".join(["0.9", *["0.0"] * 14])
    calm = ",".join([*["0.0"] * 6, "0.4", *["0.0"] * 8])
    rows = f"abc,0,{glad}\nabc,166666,{calm}\nabc,333333,{zero}\nabc,x,{glad}\n"
    return put(
        folder / "eev",
        {"train.csv": header + rows, "val.csv": header + f"def,0,{glad}\n", "videos/abc.mp4": None},
    )


def _nfed(folder: Path) -> Path:
    header = "   stimuli \tEmotion Category label\tGender Category label\t"
    header += "Ethnic backgrounds Category label\tactions metadata\texpression metadata\t"
    header += "sentence metadata\t\r\n"
    rows = "stimtrn_1.mp4\t1\t1\t2\tx\tsmiling\tA woman，smiling" + "\t" * 17 + "\r\n"
    rows += "stimtst_1201.mp4\t2\t2\t1\tx\tcrying\ty\r\nstimtrn_2.mp4\t3\t1\t1\tx\tnone\ty\r\n"
    names = ["stimtrn_1.mp4", "stimtst_1201.mp4", "stimtrn_1321.mp4"]
    return put(
        folder / "ds005047",
        {
            "stimuli/face_videos_stimuli_category_description.tsv": header + rows,
            **{f"stimuli/face-video/{name}": None for name in names},
        },
    )


def _fer(folder: Path) -> Path:
    pixels = " ".join(str(k % 256) for k in range(48 * 48))
    table = f"emotion,pixels,Usage\n3,{pixels},Training\n6,{pixels},PublicTest\n"
    table += f"0,{pixels},PrivateTest\n"
    votes = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,"
    votes += "unknown,NF\nTraining,fer0.png,1,8,1,0,0,0,0,0,0,0\n"
    votes += "PublicTest,fer1.png,5,0,0,5,0,0,0,0,0,0\nPrivateTest,,0,0,0,0,0,0,0,0,0,10\n"
    return put(folder / "fer2013", {"fer2013.csv": table, "fer2013new.csv": votes})


def _diffusionfer(folder: Path) -> Path:
    table = "file,valence,arousal,expression\n0000.jpg,-0.1,0.1,neutral\n0001.jpg,1.5,0,joyous\n"
    table += "0009.jpg,0,0,anger\n"
    return put(
        folder / "diffusionfer",
        {"labels.csv": table, "0000.jpg": None, "0001.jpg": None, "0002.jpg": None},
    )


CASES = {
    "iemocap": Case(
        _iemocap,
        {
            "Ses01F_impro01_F000/voice": {
                "label": "happiness",
                "about.native": "exc",
                "speaker": "iemocap/Ses01F",
                "valence": 0.5,
                "arousal": -0.25,
                "dominance": 1.0,
                "votes": {"happiness": 1.0, "neutral": 1.0},
                "text": "The boat came back.",
                "about.dialogue": "Ses01F_impro01",
                "about.group": "Session1",
            },
            "Ses01F_impro01_F000/face": {"start_s": 6.2901, "end_s": 8.2357, "about.half": "left"},
            "Ses01F_impro01_F000/text": {"modality": "text"},
            "Ses01F_impro01_M000/face": {
                "label": None,
                "speaker": "iemocap/Ses01M",
                "dominance": None,
                "votes": None,
                "about.half": "right",
            },
        },
        {"value": 1, "missing": 1, "broken": 1},
    ),
    "mead": Case(
        _mead,
        {
            "M003/audio/angry/2/001": {"label": "anger", "intensity": 2 / 3},
            "M003/audio/sad/1/003": {"label": "sadness"},
            "M003/front/angry/2/001": {"modality": "face", "speaker": "mead/M003"},
            "M003/left_30/happy/3/001": {"label": "happiness", "about.view": "left_30"},
        },
        {"extra": 1, "missing": 2},
    ),
    "emotiontalk": Case(
        _emotiontalk,
        {
            "G00001_42_14_024/text": {
                "label": "neutral",
                "text": "好的",
                "split": "validation",
                "speaker": "emotiontalk/14",
            },
            "G00001_42_14_024/voice": {"label": "sadness", "about.native_joint": "happy"},
            "G00001_42_14_024/face": {"label": "anger", "about.dialogue": "G00001_42"},
        },
    ),
    "caer": Case(
        _caer,
        {
            "train/anger/0001/face": {"label": "anger", "split": "train"},
            "train/anger/0001/voice": {"modality": "voice", "path": "train/Anger/0001.avi"},
            "validation/angry/0002/face": {"label": "anger"},
            "validation/angry/0002/voice": {},
            "test/happy/0001/face": {"label": "happiness", "split": "test"},
            "test/happy/0001/voice": {},
        },
        {"extra": 1},
    ),
    "caer-s": Case(
        _caer_s,
        {
            "train/anger/0001": {"label": "anger", "about.face_box": [295, 97, 394, 195]},
            "test/sad/0002": {"label": "sadness", "about.face_box": None},
        },
    ),
    "veatic": Case(
        _veatic,
        {
            "7/0000": {"valence": 0.5, "arousal": 0.1, "start_s": 0.0, "split": "train"},
            "7/0001": {"valence": -0.5, "end_s": 2.0, "split": "train"},
            "7/0003": {"split": "test", "about.dialogue": "7"},
            "8/0000": {"valence": 0.5, "arousal": 0.1},
            "8/0001": {"valence": None, "arousal": 0.1},
            "8/0003": {"valence": 0.5, "split": "test"},
        },
        {"defect": 3, "value": 29},
    ),
    "ferv39k": Case(
        _ferv,
        {
            "Action/Angry/0001": {
                "label": "anger",
                "path": "2_ClipsforFaceCrop/Action/Angry/0001/3.jpg",
                "split": "train",
                "about.n_frames": 5,
            },
            "War/Happy/0001": {"label": "happiness", "split": "test", "about.scene": "War"},
        },
        {"missing": 1, "extra": 1},
    ),
    "eev": Case(
        _eev,
        {
            "train/abc/0": {
                "label": "happiness",
                "start_s": 0.0,
                "end_s": 0.166667,
                "perspective": "felt",
                "votes": {"happiness": 0.9},
            },
            "train/abc/1": {"label": None, "start_s": 0.166666, "votes": None},
            "val/def/0": {"split": "val", "path": "videos/def.mp4"},
        },
        {"defect": 1, "value": 1, "broken": 1, "missing": 1},
        absent=True,
    ),
    "nfed": Case(
        _nfed,
        {
            "stimtrn_1": {"label": "happiness", "valence": 1.0, "about.gender": "female"},
            "stimtst_1201": {"label": "sadness", "split": "test", "about.background": "Asian"},
        },
        {"missing": 1, "extra": 1},
    ),
    "fer2013plus": Case(
        _fer,
        {
            "fer0000000": {
                "label": "happiness",
                "votes": {"neutral": 1.0, "happiness": 8.0, "surprise": 1.0},
                "split": "train",
            },
            "fer0000001": {"label": None, "split": "validation", "about.fer2013": "neutral"},
        },
        {"defect": 1},
    ),
    "diffusionfer": Case(
        _diffusionfer,
        {
            "0000": {"label": "neutral", "valence": -0.1, "arousal": 0.1},
            "0001": {"label": None, "valence": 1.0},
        },
        {"missing": 1, "extra": 1, "label": 1, "value": 1},
    ),
}
