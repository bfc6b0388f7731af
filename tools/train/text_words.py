"""Texts of the text models' cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHARED = [
    "goemotions: comments on Reddit, three to five readers each; the seven categories are its own "
    "grouping of the 28 labels.",
    "xed: subtitles of films; anticipation and trust have no category and are left out.",
    "emobank: sentences of many genres, valence, arousal and dominance as readers rated them, "
    "1 … 5 mapped to −1 … +1.",
]
_RESEARCH = [
    "meld, emotionlines: utterances of one television series, with who speaks.",
    "dailydialog: dialogues written for learners of English; 15 of 100 of its neutral utterances "
    "are read in each epoch; “no emotion” counts as neutral.",
    "isear: what people in many countries wrote of a moment of an emotion; shame and guilt have no "
    "category and are left out.",
]

_LIFTED = (
    "Where something was said before, rare categories get more than their share, as is right for "
    "people who play or feel something; in matter-of-fact talk neutral lines are taken for more."
)


def words(commercial: bool) -> Mapping[str, Any]:
    """Return the texts of one package's card."""
    return {
        "data": [
            *_SHARED,
            *([] if commercial else _RESEARCH),
            "What larger networks, trained on the same sentences, answer: also of labels that a "
            "corpus lacks, and of sentences with words lost or exchanged.",
            "The language guard's letter statistics are those of langdetect (Apache-2.0), its "
            "English ones mixed with those of the first three corpora.",
        ],
        "split": [
            "Every choice, the thresholds and the temperature were made on a validation part: 8 of "
            "100 comments, documents, dialogues or people of the training part. Then the network "
            "was fitted further, to that part too, and nothing was chosen any more.",
            "dev is what the corpus publishes as dev or validation. xed and isear publish none: "
            "10 of 100 texts, or people, were cut.",
            "A training sentence that is a copy of a dev sentence was left out, in every corpus: "
            "of four words or more when its words are the same, of fewer, which everybody says, "
            "when its signs are too. A check refuses the run otherwise, and a table tells what "
            "dev sentences come to whose words no training sentence has.",
            "emobank's published parts share documents, no sentence; its validation part here does "
            "not share them.",
            "The six leading parts of the television series speak on both sides, as published.",
        ],
        "intended_use": [
            "An estimate of the emotion that English words express, as one vote of a fusion.",
            "Short everyday sentences: chat, comments, what a speech recogniser understood.",
            *([] if commercial else ["Research and demonstration."]),
        ],
        "not_for": [
            "What somebody feels or means: words can be quoted, ironic or polite.",
            "Finding people in danger, or any medical or legal conclusion.",
            "Decisions about people: hiring, schooling, credit, policing, health, insurance.",
            "Reading what people did not mean to be read.",
            *([] if commercial else ["Commercial products: see the licences."]),
        ],
        "limits": [
            "English only. Another language abstains; one or two words of it often do not.",
            "No knowledge of the world: it knows words, pieces of words and their neighbours. "
            "Irony, quotation and negation at a distance are missed.",
            *(["It reads a line by itself: its corpora hold no dialogues."] if commercial else []),
            "Readers disagree much about such labels, and so does the model with them.",
            "Disgust and fear are rare in the corpora and are missed most.",
            "Of a line over 48 words the beginning and the end are read, and its quality says so.",
            *([] if commercial else [_LIFTED]),
            "Sentences of films and of Reddit are not those of your users; their share of neutral "
            "differs, and with it the right threshold.",
            "Comments on Reddit carry their writers' prejudice: words for groups of people can "
            "move an estimate.",
        ],
    }
