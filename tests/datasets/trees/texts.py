"""Small trees of the corpora of text, in their official layouts, with sentences of our own."""

from __future__ import annotations

from pathlib import Path

from datasets.trees.plant import Case, put

from edge_emo.datasets.adapters.goemotions import LABELS

_ELEVEN = "anger anticipation disgust fear joy love optimism pessimism sadness surprise trust"


def _meld(folder: Path) -> Path:
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    header += "StartTime,EndTime\r\n"
    tail = ',1,1,"00:00:01,000","00:00:02,000"\r\n'
    train = f'1,"Look, a comet!",Ada,surprise,positive,0,0{tail}'
    train += f"3,It’s gone.,Bo,sadness,negative,0,1{tail}"
    train += f"9,Lost line.,Bo,neutral,neutral,125,3{tail}4,broken\r\n"
    dev = header + f"1,No clip here.,Ada,fear,negative,110,7{tail}"
    return put(
        folder / "MELD.Raw",
        {
            "train_sent_emo.csv": ("\ufeff" + header + train).encode(),
            "dev_sent_emo.csv": dev,
            "test_sent_emo.csv": header + f"1,Hm\x85,Cy,joy,positive,0,0{tail}",
            "train_splits/dia0_utt0.mp4": None,
            "train_splits/dia0_utt1.mp4": None,
            "dev_splits_complete/dia1_utt1.mp4": None,
        },
    )


def _emotionlines(folder: Path) -> Path:
    dialogue = [
        {"speaker": "Ada", "utterance": "That\u0092s a fine boat.", "emotion": "joy"},
        {"speaker": "Bo", "utterance": "Is it?", "emotion": "non-neutral"},
    ]
    return put(
        folder / "EmotionLines",
        {
            "Friends/friends_train.json": [dialogue],
            "Friends/friends_dev.json": [dialogue[1:], [{"speaker": "Bo"}]],
            "Friends/friends_test.json": [dialogue[:1]],
            "EmotionPush/emotionpush_train.json": [[{**dialogue[0], "speaker": "100"}]],
            "EmotionPush/emotionpush_dev.json": [],
        },
    )


def _emotionx(folder: Path) -> Path:
    line = {"speaker": "Ada", "utterance": "We made it.", "emotion": "joy"}
    gold = {"utterance": "Oh no.", "emotion": "sadness", "speaker": "Bo", "annotation": "0040010"}
    bad = {**line, "annotation": "50"}
    return put(
        folder / "EmotionX",
        {
            "Friends/friends.json": [[{**line, "annotation": "0500000"}, bad]],
            "Friends/friends.augmented.json": [[line]],
            "friends.train.json": [[{**line, "annotation": "0500000"}]],
            "emotionpush.dev.json": [[{**line, "annotation": "2300000"}]],
            "friends_eval_gold.json": [[gold]],
        },
    )


def _dailydialog(folder: Path) -> Path:
    lines = [
        "Shall we row ? __eou__ Gladly ! __eou__",
        "One . __eou__ Two . __eou__ Three . __eou__",
    ]
    train = [lines[0], lines[1], lines[0]]
    return put(
        folder / "ijcnlp_dailydialog",
        {
            "train/dialogues_train.txt": "\n".join(train) + "\n",
            "train/dialogues_emotion_train.txt": "0 4 \n0 0 \n0 4 \n",
            "train/dialogues_act_train.txt": "2 4 \n1 1 1 \n2 4 \n",
            "validation/dialogues_validation.txt": f"{lines[0]}\nA storm ! __eou__\n",
            "validation/dialogues_emotion_validation.txt": "0 4\n3\n",
            "test/dialogues_test.txt": "Well . __eou__ Oh . __eou__\n",
            "test/dialogues_emotion_test.txt": "9 12\n",
        },
    )


def _flags(*names: str) -> str:
    return ",".join("1" if label in names else "0" for label in LABELS)


def _goemotions(folder: Path) -> Path:
    return put(
        folder / "goemotions",
        {
            "data/train.tsv": 'He said "fine\t2,3\tid1\nA lovely boat\t17\tid2\nNo\t27,99\tid3\n',
            "data/dev.tsv": "Mixed day\t17,25\tid4\n",
            "data/test.tsv": "Plain\t27\tid5\n",
            "data/full_dataset/goemotions_1.csv": (
                f"text,id,author,{','.join(LABELS)}\n"
                f"x,id2,someone,{_flags('joy', 'fear')}\nx,id2,someone,{_flags('joy')}\n"
            ),
        },
    )


def _emobank(folder: Path) -> Path:
    main = "id,split,V,A,D,text\n"
    main += '110X_1_2,train,3.0,4.0,5.0,"She said ""row"", so we rowed."\n'
    main += "B_2,test,1.0,3.0,3.0,A dull grey day at sea.\n"
    side = "id,V,A,D,stdV,stdA,stdD,N\nB_2,{},3,3,0,0,0,5\n"
    return put(
        folder / "EmoBank",
        {
            "corpus/emobank.csv": main,
            "corpus/reader.csv": side.format(2.0),
            "corpus/writer.csv": side.format(1.0),
            "corpus/meta.tsv": "id\tdocument\tcategory\tsubcategory\nB_2\tdoc7\tx\ty\n",
        },
    )


def _xed(folder: Path) -> Path:
    return put(
        folder / "XED",
        {
            "AnnotatedData/en-annotated.tsv": "The boat sank\t6\nWe laughed , then cried\t5, 6\n",
            "AnnotatedData/neu_en.txt": "9\tA boat .\n9\t\n",
        },
    )


def _isear(folder: Path) -> Path:
    header = "ID|SEX|Field1|MYKEY|SIT|STATE|\n"
    rows = b"11|2|joy|1|My na\xefve plan worked.|1|\n12|1|guilt|2|[ No response.]|1|\n"
    rows += "13|1|shame|3|I said á |so too.á In Málaga á|1|\n14|1\n".encode()
    return put(folder / "isear", {"isear.csv": header.encode() + rows})


def _semeval2018(folder: Path) -> Path:
    header = "ID\tTweet\t" + _ELEVEN.replace(" ", "\t") + "\n"
    ones = '2018-En-1\tSuch a "day\\n\t' + "\t".join("10000000000") + "\n"
    none = "2018-En-2\tPlain.\t" + "\t".join("00000000000") + "\n"
    mixed = "2018-En-3\tUp and down\t" + "\t".join("00001000100") + "\n"
    unlabelled = "2018-En-4\tHidden\t" + "\t".join(["NONE"] * 11) + "\n"
    scores = "ID\tTweet\tAffect Dimension\tIntensity Score\n"
    return put(
        folder / "SemEval2018",
        {
            "E-c/2018-E-c-En-train.txt": header + ones + none + unlabelled,
            "E-c/2018-E-c-En-dev.txt": header + mixed,
            "V-reg/2018-Valence-reg-En-test-gold.txt": scores
            + "2018-En-9\tGood\tvalence\t0.75\n2017-En-1\tm\tmystery\tNONE\n",
        },
    )


def _semeval2007(folder: Path) -> Path:
    xml = '<corpus task="affective text">\n<instance id="500">Boats &amp; storms</instance>\n'
    xml += '<instance id="501">A quiet week</instance>\n<instance id="502">Lost</instance>\n'
    return put(
        folder / "semeval2007",
        {
            "AffectiveText.test/affectivetext_test.xml": xml + "</corpus>\n",
            "AffectiveText.test/affectivetext_test.emotions.gold": (
                "501 0 0 0 10 0 0\n500 0 0 80 0 20 0\n"
            ),
            "AffectiveText.test/affectivetext_test.valence.gold": "500 -60\n501 10\n",
        },
    )


def _stimulus(folder: Path) -> Path:
    causes = (
        "<happy>She was glad <cause>that the boat came back<\\cause> at last .<\\happy>\n"
        "<shame>He hid <cause>his face .<\\shame>\n<odd>x<\\odd>\n"
    )
    return put(
        folder / "emotion_stimulus",
        {"Dataset/Emotion Cause.txt": causes, "Dataset/No Cause.txt": "<sad>A <b> day .<\\sad>\n"},
    )


def _sims(folder: Path) -> Path:
    table = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"
    table += "v_0001,0001,一个句子,0.6,0.2,1.0,-0.4,Positive,train\n"
    table += "v_0001,2,另一句,-0.2,0.0,0.0,0.0,Negative,test\nv_0002,9,无片,0,0,0,0,Neutral,valid\n"
    return put(
        folder / "ch-simsv2s",
        {
            "meta(s).csv": ("\ufeff" + table).encode(),
            "Raw/v_0001/0001.mp4": None,
            "Raw/v_0001/0002.mp4": None,
        },
    )


CASES = {
    "meld": Case(
        _meld,
        {
            "train/dia0_utt0/text": {
                "label": "surprise",
                "text": "Look, a comet!",
                "valence": 1.0,
                "split": "train",
                "speaker": "meld/Ada",
                "about.dialogue": "train/0",
            },
            "train/dia0_utt0/face": {"path": "train_splits/dia0_utt0.mp4"},
            "train/dia0_utt0/voice": {"modality": "voice"},
            "train/dia0_utt1/text": {"text": "It’s gone.", "about.turn": 1},
            "train/dia0_utt1/face": {},
            "train/dia0_utt1/voice": {},
            "train/dia125_utt3/text": {"label": "neutral"},
            "dev/dia110_utt7/text": {"label": "fear", "split": "dev"},
            "test/dia0_utt0/text": {"label": "happiness", "split": "test"},
        },
        {"defect": 1, "missing": 1, "broken": 1},
    ),
    "emotionlines": Case(
        _emotionlines,
        {
            "friends/train/0/0": {"label": "happiness", "text": "That’s a fine boat."},
            "friends/train/0/1": {"label": None, "about.dialogue": "friends/train/0"},
            "friends/dev/0/0": {"split": "dev"},
            "friends/test/0/0": {"split": "test"},
            "emotionpush/train/0/0": {"speaker": "emotionlines/100"},
        },
        {"broken": 1, "missing": 1},
    ),
    "emotionx": Case(
        _emotionx,
        {
            "2019/friends/0/0": {"label": "happiness", "votes": {"happiness": 5.0}},
            "2018/emotionpush/dev/0/0": {"votes": {"neutral": 2.0, "happiness": 3.0}},
            "2019-eval/friends/0/0": {
                "label": "sadness",
                "votes": {"sadness": 4.0, "surprise": 1.0},
                "split": "test",
            },
        },
        {"duplicate": 1, "broken": 1},
    ),
    "dailydialog": Case(
        _dailydialog,
        {
            "train/1/0": {"label": "neutral", "text": "Shall we row ?", "about.act": "question"},
            "train/1/1": {"label": "happiness", "about.dialogue": "train/1"},
            "validation/2/0": {"label": "fear", "split": "validation"},
        },
        {"defect": 1, "duplicate": 2, "label": 2},
    ),
    "goemotions": Case(
        _goemotions,
        {
            "id1": {"label": "anger", "votes": {"anger": 2.0}, "text": 'He said "fine'},
            "id2": {
                "label": "happiness",
                "speaker": "goemotions/someone",
                "votes": {"happiness": 2.0, "fear": 1.0},
            },
            "id4": {"label": None, "votes": {"happiness": 1.0, "sadness": 1.0}, "split": "dev"},
            "id5": {"label": "neutral"},
        },
        {"label": 1},
    ),
    "emobank": Case(
        _emobank,
        {
            "110X_1_2": {
                "valence": 0.0,
                "arousal": 0.5,
                "dominance": 1.0,
                "text": 'She said "row", so we rowed.',
                "perspective": "reader",
            },
            "B_2/reader": {"valence": -0.5, "perspective": "reader", "about.dialogue": "doc7"},
            "B_2/writer": {"valence": -1.0, "perspective": "writer", "split": "test"},
        },
    ),
    "xed": Case(
        _xed,
        {
            "annotated/1": {"label": "sadness"},
            "annotated/2": {"label": None, "votes": {"happiness": 1.0, "sadness": 1.0}},
            "neutral/1": {"label": "neutral", "text": "A boat ."},
        },
        {"broken": 1},
    ),
    "isear": Case(
        _isear,
        {
            "11-joy-2": {
                "label": "happiness",
                "text": "My naïve plan worked.",
                "about.gender": "female",
                "perspective": "felt",
            },
            "13-shame-4": {"label": None, "text": "I said so too. In Málaga"},
        },
        {"encoding": 1, "defect": 1, "broken": 1},
    ),
    "semeval2018": Case(
        _semeval2018,
        {
            "E-c/2018-En-1": {"label": "anger", "text": 'Such a "day\\n', "split": "train"},
            "E-c/2018-En-2": {"label": "neutral"},
            "E-c/2018-En-3": {"label": None, "votes": {"happiness": 1.0, "sadness": 1.0}},
            "V-reg/2018-En-9": {"valence": 0.5, "split": "test"},
        },
        {"defect": 2},
    ),
    "semeval2007": Case(
        _semeval2007,
        {
            "test/500": {
                "label": "fear",
                "valence": -0.6,
                "text": "Boats & storms",
                "votes": {"fear": 80.0, "sadness": 20.0},
            },
            "test/501": {"label": "neutral", "valence": 0.1},
        },
        {"missing": 2},
    ),
    "emotion-stimulus": Case(
        _stimulus,
        {
            "cause/1": {
                "label": "happiness",
                "text": "She was glad that the boat came back at last .",
                "about.cause": "that the boat came back",
                "about.masked": "She was glad [CAUSE] at last .",
            },
            "cause/2": {"label": None, "about.native": "shame", "text": "He hid his face ."},
            "plain/1": {"label": "sadness", "text": "A <b> day ."},
        },
        {"broken": 1, "value": 1},
    ),
    "ch-sims-v2": Case(
        _sims,
        {
            "v_0001/0001/text": {"valence": 0.2, "about.valence_joint": 0.6, "label": None},
            "v_0001/0001/voice": {"valence": 1.0, "path": "Raw/v_0001/0001.mp4"},
            "v_0001/0001/face": {"valence": -0.4, "split": "train"},
            "v_0001/2/text": {"text": "另一句"},
            "v_0001/2/voice": {"path": "Raw/v_0001/0002.mp4"},
            "v_0001/2/face": {},
            "v_0002/9/text": {"valence": 0.0, "split": "valid"},
        },
        {"value": 1, "missing": 1},
    ),
}
