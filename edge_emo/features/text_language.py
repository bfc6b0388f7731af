"""Whether a text is in English, from its letters alone.

Naive Bayes over character n-grams of Latin-script languages (Cavnar and Trenkle, "N-Gram-Based Text
Categorization", SDAIR 1994). The table is ``edge_emo/assets/languages.npz``; its counts are those
of the profiles of langdetect (Apache-2.0), which were made from Wikipedia.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TABLE = Path(__file__).resolve().parents[1] / "assets" / "languages.npz"
BUCKETS = 16384
UNIT_NATS = 0.06
"""A step of the int8 table: log probability per n-gram."""

_DRAWN = re.compile(r"(\w)\1{2,}")
ENGLISH = "en"
MARGINS_NATS = (30.0, 18.0, 11.0, 6.0, 5.0, 3.0)
"""How much likelier another language must be for one to six and more words: about one English
sentence in 300 is as odd as that, and most single words tell nothing."""


class Verdict(NamedTuple):
    """What the letters of a text look like.

    Attributes:
        language: ISO 639-1 of the likeliest language; ``other script`` when Latin letters are in
            the minority; empty without letters.
        english: Whether English is about as likely.
    """

    language: str
    english: bool


def judge(words: Sequence[str]) -> Verdict:
    """Judge the language of tokens.

    A single word is nearly always taken for English unless its script is another.
    """
    letters = words_of(words)
    if not letters:
        return Verdict("", english=True)
    latin = sum(map(_is_latin, letters))
    if 2 * latin < len(letters):
        return Verdict("other script", english=False)
    names, table = _languages()
    rows = [row for word in letters for row in buckets(word)]
    scores = table[rows].sum(0, dtype=np.int32) * UNIT_NATS
    best = int(scores.argmax())
    lead = float(scores[best] - scores[names.index(ENGLISH)])
    return Verdict(names[best], english=lead < MARGINS_NATS[min(len(letters), 6) - 1])


def words_of(words: Sequence[str]) -> list[str]:
    """Return the distinct words among tokens, in lower case, letters drawn out shortened."""
    letters = (word for word in words if word[0] not in "<'" and word[0].isalpha())
    return list(dict.fromkeys(_DRAWN.sub(r"\1\1", word.lower()) for word in letters))


@lru_cache(maxsize=16384)
def buckets(word: str) -> tuple[int, ...]:
    """Return the rows of a word's n-grams of two and three letters, its ends included."""
    padded = f" {word[:32]} "
    grams = [padded[i : i + n] for n in (2, 3) for i in range(len(padded) - n + 1)]
    return tuple(zlib.crc32(gram.encode()) % BUCKETS for gram in grams)


@lru_cache(maxsize=16384)
def _is_latin(word: str) -> bool:
    return unicodedata.name(word[0], "").startswith("LATIN")


@cache
def _languages() -> tuple[tuple[str, ...], npt.NDArray[np.int8]]:
    with np.load(TABLE, allow_pickle=False) as held:
        return tuple(str(name) for name in held["names"]), held["table"]
