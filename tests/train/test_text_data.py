"""Reading, splitting and the leakage check of the text corpora, on sentences written for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "train"))

from leakage import LeakageError, refuse_overlap  # noqa: E402 - beside the scripts that use it
from text_data import Sentence, clips, dialogue, plain, read_corpora  # noqa: E402

TALK = ["Where were you?", "At the dentist.", "Does it hurt much?", "I could cry.", "Poor you."]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return seven tiny corpora in their published layouts."""
    root = tmp_path_factory.mktemp("corpora")

    def write(path: str, text: str) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")

    comments = [f"My neighbour number {n} is a joy\t17\tid{n}" for n in range(60)]
    comments.append("WHAT a sad tale, this is!\t17\tcopy")
    write("goemotions/original/train.tsv", "\n".join([*comments, "Poor, YOU\t9,25\tidx"]) + "\n")
    write("goemotions/original/dev.tsv", "What a sad tale this is\t25,27\tdev1\n")
    ekman = [line.replace("\t17\t", "\t3\t") for line in comments]
    write("goemotions/ekman/train.tsv", "\n".join([*ekman, "Poor, YOU\t5\tidx"]) + "\n")
    write("goemotions/ekman/dev.tsv", "What a sad tale this is\t4,5\tdev1\n")
    write("xed/AnnotatedData/en-annotated.tsv", "I dread the cellar .\t4, 2\nTrust me .\t8\n")
    write("xed/AnnotatedData/neu_en.txt", "9\tThe door is green.\n")
    rows = "a_0_5,train,3.0,2.0,5.0,It was a quiet day.\nb_0_5,dev,1.0,4.0,3.0,The roof fell in.\n"
    rows += "c_0_5,test,2.0,2.0,2.0,Nobody asks for this here.\n"
    write("emobank/corpus/emobank.csv", f"id,split,V,A,D,text\n{rows}")
    head = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
    moods = ["neutral", "neutral", "surprise", "sadness", "sadness"]
    said = [f"{n},{t},{'AB'[n % 2]},{m},x,0,{n}" for n, (t, m) in enumerate(zip(TALK, moods))]  # noqa: B905
    write("meld/data/MELD/train_sent_emo.csv", head + "\n".join(said) + "\n")
    write("meld/data/MELD/dev_sent_emo.csv", f"{head}1,Poor you!,C,joy,x,0,0\n")
    friends = [[{"speaker": "C", "utterance": "Nice coat", "emotion": "non-neutral"}]]
    for split in ("train", "dev"):
        write(f"emotionlines/Friends/friends_{split}.json", json.dumps(friends))
    for split in ("train", "validation"):
        write(f"dailydialog/{split}/dialogues_{split}.txt", f"Hi {split} . __eou__ Bye . __eou__\n")
        write(f"dailydialog/{split}/dialogues_emotion_{split}.txt", "0 4 \n")
    write("isear/isear.csv", "ID|Field1|SIT\n11001|joy|When my sister came home.\n11001|shame|x\n")
    return root


def found(data: Path, corpus: str, *, commercial: bool = False) -> list[Sentence]:
    return [s for s in read_corpora(data, commercial) if s.corpus == corpus]


def test_labels_are_mapped_and_those_without_a_category_are_left_out(data: Path) -> None:
    (dev,) = [s for s in found(data, "goemotions") if s.split == "dev"]
    assert dev.emotions == {"sadness", "neutral"}
    assert dev.categories == {"sadness", "neutral"}
    fear, neutral = found(data, "xed")
    assert (fear.categories, neutral.categories) == ({"fear"}, {"neutral"})
    assert [s.affect for s in found(data, "emobank")] == [(0.0, -0.5, 1.0), (-1.0, 0.5, 0.0)]
    assert [s.categories for s in found(data, "isear")] == [{"happiness"}]
    assert found(data, "emotionlines") == []


def test_context_is_the_three_utterances_before_and_who_said_them(data: Path) -> None:
    talk = [s for s in found(data, "meld") if s.split != "dev"]
    assert talk[0].before == ()
    assert talk[3].text == TALK[3]
    assert talk[3].before == ((False, TALK[0]), (True, TALK[1]), (False, TALK[2]))


def test_a_copy_of_a_dev_sentence_is_in_no_training_part(data: Path) -> None:
    everything = read_corpora(data, commercial=False)
    training = [s for s in everything if s.split != "dev"]
    words = {plain(s.text) for s in training}
    assert "what a sad tale this is" not in words
    assert "bye" not in words
    assert "poor you" in words  # a phrase that everybody says, with other signs
    dev = [s for s in everything if s.split == "dev"]
    refuse_overlap(clips(training, None), clips(dev, None), dialogue=dialogue)


def test_the_check_refuses_a_dialogue_on_both_sides(data: Path) -> None:
    talk = clips([s for s in found(data, "meld") if s.split != "dev"], "label")
    with pytest.raises(LeakageError, match="dialogues shared"):
        refuse_overlap(talk[:2], talk[2:], dialogue=dialogue)


def test_the_check_refuses_a_text_on_both_sides(data: Path) -> None:
    one, *_ = clips(found(data, "goemotions"), "label")
    other = clips([Sentence("xed", "7", "dev", f" {one.text} ".upper())], None)
    with pytest.raises(LeakageError, match="texts shared"):
        refuse_overlap([one], other, dialogue=dialogue)


def test_commercial_corpora_only(data: Path) -> None:
    names = {s.corpus for s in read_corpora(data, commercial=True)}
    assert names == {"goemotions", "xed", "emobank"}


def test_a_part_is_validation_and_stays_the_same(data: Path) -> None:
    splits = [s.split for s in found(data, "goemotions")]
    assert 0 < splits.count("validation") < 15
    assert splits == [s.split for s in found(data, "goemotions")]


def test_truths_of_a_manifest(data: Path) -> None:
    dev = [s for s in found(data, "goemotions") if s.split == "dev"]
    assert clips(dev, "label") == []
    assert clips(dev, "emotions")[0].votes == {"sadness": 1.0, "neutral": 1.0}
    talk = [s for s in found(data, "meld") if s.split != "dev"]
    (clip,) = clips(talk[1:2], "label", context=True)
    assert clip.context == [{"speaker": "other", "text": TALK[0]}]


def test_a_letter_of_dailydialog_is_somebody_else_in_each_dialogue() -> None:
    label = frozenset(["neutral"])
    lines = [
        Sentence(corpus, f"{talk}/1", "dev", "Yes.", ((True, "No?"),), None, label, part="A")
        for corpus, talk in (("dailydialog", "7"), ("dailydialog", "8"), ("meld", "7"))
    ]
    made = clips(lines, "label", context=True)
    assert [clip.speaker for clip in made] == ["7/A", "8/A", "A"]
    assert [clip.context[0]["speaker"] for clip in made] == ["7/A", "8/A", "A"]
