"""Small trees of the corpora of voice, in their official layouts."""

from __future__ import annotations

from pathlib import Path

from datasets.trees.plant import Case, put

_ID = "00026029e0--0123456789abcdef01234567"


def _ravdess(folder: Path) -> Path:
    names = ["03-01-05-02-01-01-01.wav", "03-02-02-01-02-02-01.wav", "01-01-03-01-01-01-02.mp4"]
    names += ["02-01-03-01-01-01-02.mp4", "notes.wav"]
    names += ["01-01-04-01-01-01-02.mp4", "03-01-04-01-01-01-02.wav"]
    return put(
        folder / "ravdess", {f"Actor_0{n[-5] if n[0] == '0' else 1}/{n}": None for n in names}
    )


def _tess(folder: Path) -> Path:
    names = ["OAF_Fear/OAF_back_fear.wav", "YAF_pleasant_surprised/YAF_back_ps.wav"]
    names += ["OAF_neutral/OA_bite_neutral.wav"]
    return put(folder / "tess", dict.fromkeys(names))


def _nemo(folder: Path) -> Path:
    header = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\r\n"
    rows = 'WR0_surprised_1.wav\tsurprised\tTo "nowe" zdanie.\tto nowe zdanie\t   WR0\tmale\t23\r\n'
    rows += "EB0_anger_2.wav\tanger\tInne.\tinne\tEB0\tfemale\t27\r\n"
    wave = "samples/WR0_surprised_1.wav"
    return put(folder / "nemo", {"data.tsv": "\ufeff" + header + rows, wave: None})


def _ased(folder: Path) -> Path:
    names = ["01Neutral/n1-01-01-01-07.wav", "04Sad/S4-04-02-01-29.wav"]
    return put(folder / "ased", dict.fromkeys(names))


def _baved(folder: Path) -> Path:
    names = ["0/0-m-21-0-1-105.wav", "3/7-f-30-3-2-9.wav", "6/7-m-30-6-0-10.wav"]
    return put(folder / "baved", dict.fromkeys(names))


def _emodb(folder: Path) -> Path:
    table = "Nr.\tSatz\terkannt\tnat\xfcrlich\r\n1.\t03a01Fa\t90,0 \xa0\t100,0\xa0\r\n"
    names = ["wav/03a01Fa.wav", "wav/08b02Lc.wav", "wav/16a05Ab.wav", "wav/99x.wav"]
    return put(folder / "emodb", {**dict.fromkeys(names), "erkennung.txt": table.encode("latin-1")})


def _emogator(folder: Path) -> Path:
    names = ["000001-01-1", "000001-28-3", "000357-03-2"]
    files: dict[str, object] = {f"data/mp3/{name}.mp3": None for name in names}
    return put(folder / "EmoGator", {**files, "data/mp3/000002-01-1.mp3": b""})


def _cremad(folder: Path) -> Path:
    votes = '"","A","D","F","H","N","S","fileName","numResponses"\n'
    for kind, counts in (("1", "8,1,0,0,1,0"), ("2", "0,0,0,0,9,1"), ("3", "10,0,0,0,0,0")):
        votes += f'"{kind}00001",{counts},"1001_DFA_ANG_XX",10\n'
    people = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","x","y"\n'
    names = ["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1001_IEO_SAD_HI.wav"]
    names += ["AudioWAV/1001_TIE_FEA_X.wav", "AudioWAV/1076_MTI_SAD_XX.wav"]
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    return put(
        folder / "CREMA-D",
        {
            **dict.fromkeys(names),
            "VideoFlash/1001_DFA_ANG_XX.flv": None,
            "VideoFlash/1001_IEO_SAD_HI.flv": pointer,
            "processedResults/tabulatedVotes.csv": votes,
            "VideoDemographics.csv": people,
        },
    )


def _unidata(folder: Path) -> Path:
    table = f"set_id;text;gender;age;country\n{_ID};A plain sentence;female;31;XX\n"
    names = [f"files/{_ID}/{n}.wav" for n in ("euphoric", "joyfully", "joyfully(1)", "sad")]
    return put(
        folder / "speech-emotion-recognition", {**dict.fromkeys(names), "dataset_info.csv": table}
    )


def _nexdata(folder: Path) -> Path:
    return put(
        folder / "nexdata",
        {
            "T0001G0003S00001.wav": None,
            "T0001G0003S00001.txt": "We won {-laughter=haha-} again.",
            "T0002G0004S00002.wav": None,
        },
    )


def _msp(folder: Path) -> Path:
    name = "MSP-IMPROV-S01A-F01-P-FM01"
    evaluation = (
        "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.0; V:4.0; D:nan ; N:4.2;\n"
        "w1; Neutral; Calm; A:3; V:4; D:3; N:4;\nw2; Angry; ; A:3; V:4; D:3; N:4;\n"
        "w2; Neutral; ; A:3; V:4; D:3; N:4;\n\n"
        "UTD-IMPROV-S02H-M06-R-MF02.avi; X; A:5.0; V:1.0; D:2.0 ; N:3.0;\n"
    )
    return put(
        folder / "MSP-IMPROV",
        {
            "Evalution.txt": evaluation,
            f"Audio/session1/S01A/P/{name}.wav": None,
            f"Video/session1/S01A/P/{name}.avi": None,
            "Audio/session1/S01A/P/MSP-IMPROV-S03S-F01-P-FM09.wav": None,
        },
    )


def _multilingual(folder: Path) -> Path:
    names = ["00000+aesdd+aesdd.1+f+ang+-1+ell+el-gr.wav"]
    names += ["00001+LEGOv2+LEGOv2.20061123)000+u+con+0+eng+en-us.wav"]
    return put(folder / "unified", {f"data/preprocessed/{name}": None for name in names})


CASES = {
    "ravdess": Case(
        _ravdess,
        {
            "03-01-05-02-01-01-01": {
                "label": "anger",
                "speaker": "ravdess/01",
                "intensity": 1.0,
                "about.gender": "male",
                "path": "Actor_01/03-01-05-02-01-01-01.wav",
            },
            "03-02-02-01-02-02-01": {"label": None, "about.native": "calm", "about.kind": "song"},
            "01-01-03-01-01-01-02/face": {"label": "happiness", "about.gender": "female"},
            "01-01-03-01-01-01-02/voice": {"modality": "voice"},
            "01-01-04-01-01-01-02/face": {"label": "sadness"},
            "03-01-04-01-01-01-02": {"modality": "voice"},
        },
        {"duplicate": 2, "extra": 1},
    ),
    "tess": Case(
        _tess,
        {
            "OAF_back_fear": {"label": "fear", "speaker": "tess/OAF", "text": "Say the word back"},
            "YAF_back_ps": {"label": "surprise", "speaker": "tess/YAF"},
            "OA_bite_neutral": {"label": "neutral", "speaker": "tess/OAF"},
        },
    ),
    "nemo": Case(
        _nemo,
        {
            "WR0_surprised_1": {
                "label": "surprise",
                "text": 'To "nowe" zdanie.',
                "speaker": "nemo/WR0",
                "about.age": 23,
                "language": "pl",
            }
        },
        {"missing": 1},
    ),
    "ased": Case(
        _ased,
        {
            "n1-01-01-01-07": {"label": "neutral", "speaker": "ased/07"},
            "s4-04-02-01-29": {"label": "sadness", "speaker": "ased/29"},
        },
    ),
    "baved": Case(
        _baved,
        {
            "0-m-21-0-1-105": {"label": None, "arousal": 0.0, "speaker": "baved/0"},
            "7-f-30-3-2-9": {"arousal": 1.0, "about.gender": "female"},
            "7-m-30-6-0-10": {"arousal": -1.0},
        },
    ),
    "emodb": Case(
        _emodb,
        {
            "03a01Fa": {"label": "happiness", "about.recognised": 90.0, "about.gender": "male"},
            "08b02Lc": {"label": None, "about.native": "L", "about.gender": "female"},
            "16a05Ab": {"label": "fear", "speaker": "emodb/16", "language": "de"},
        },
        {"extra": 1, "encoding": 2},
    ),
    "emogator": Case(
        _emogator,
        {
            "000001-01-1": {"label": None, "about.native": "Adoration"},
            "000001-28-3": {"label": "surprise", "about.native": "Surprise (Positive)"},
            "000357-03-2": {"label": "anger", "speaker": "emogator/000357", "language": None},
        },
        {"unreadable": 1},
    ),
    "cremad": Case(
        _cremad,
        {
            "1001_DFA_ANG_XX/voice": {
                "label": "anger",
                "votes": {"anger": 8.0, "disgust": 1.0, "neutral": 1.0},
                "about.votes_both": {"anger": 10.0},
                "about.votes_face": {"neutral": 9.0, "sadness": 1.0},
                "about.age": 51,
            },
            "1001_DFA_ANG_XX/face": {"votes": {"neutral": 9.0, "sadness": 1.0}},
            "1001_IEO_SAD_HI/voice": {"intensity": 1.0, "votes": None},
            "1001_TIE_FEA_XX/voice": {"path": "AudioWAV/1001_TIE_FEA_X.wav", "label": "fear"},
        },
        {"defect": 1, "unreadable": 1},
    ),
    "unidata": Case(
        _unidata,
        {
            f"{_ID}/euphoric": {"label": "happiness", "about.native": "euphoric"},
            f"{_ID}/joyfully": {"text": "A plain sentence", "about.gender": "female"},
            f"{_ID}/joyfully(1)": {"label": "happiness", "speaker": f"unidata/{_ID}"},
            f"{_ID}/sad": {"label": "sadness"},
        },
    ),
    "nexdata": Case(
        _nexdata,
        {
            "T0001G0003S00001": {
                "label": "happiness",
                "text": "We won again.",
                "about.events": ["laughter"],
                "speaker": "nexdata/G0003",
            },
            "T0002G0004S00002": {"label": "sadness", "text": None},
        },
        {"missing": 1},
        columns='[labels]\n"0001" = "happy"\n"0002" = "sad"\n',
    ),
    "msp-improv": Case(
        _msp,
        {
            "MSP-IMPROV-S01A-F01-P-FM01/voice": {
                "label": "neutral",
                "arousal": 0.0,
                "valence": 0.5,
                "dominance": None,
                "votes": {"neutral": 2.0},
                "speaker": "msp-improv/F01",
                "about.target": "A",
                "about.group": "session1",
            },
            "MSP-IMPROV-S01A-F01-P-FM01/face": {"modality": "face"},
        },
        {"duplicate": 1, "extra": 1, "missing": 1},
    ),
    "multilingual-valence": Case(
        _multilingual,
        {
            "00000": {
                "label": "anger",
                "valence": -1.0,
                "language": "el",
                "speaker": "multilingual-valence/aesdd.1",
            },
            "00001": {"label": None, "valence": 0.0, "about.source": "LEGOv2"},
        },
    ),
}
