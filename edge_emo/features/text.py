"""Words as numbers without a vocabulary: a sentence becomes rows of a hashed table.

A sentence is normalised and cut into tokens; each token names a few rows of the model's table: two
for the token itself, one for how it is written, the rest for its character n-grams (Bojanowski et
al., "Enriching Word Vectors with Subword Information", TACL 2017). Rows are found by CRC-32 of the
UTF-8 bytes, so that the same sentence gives the same numbers on every machine.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]

MAX_LETTERS = 20_000
"""A longer text is no utterance; nothing of it is read."""

SAME, OTHER = "<same>", "<other>"
"""Tokens before an utterance of the context: who says the sentence itself said it, or not."""

_C1 = {0x85: "…", 0x91: "'", 0x92: "'", 0x93: '"', 0x94: '"', 0x96: "-", 0x97: "-"}
"""Punctuation of cp1252 that was read as Latin-1, which is common in transcripts."""

_QUOTES = {0x2018: "'", 0x2019: "'", 0x02BC: "'", 0x0060: "'", 0x00B4: "'", 0x201C: '"'}
_QUOTES |= {0x201D: '"', 0x2013: "-", 0x2014: "-"}
_PLACES = str.maketrans(_C1 | _QUOTES)
_URL = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)
_USER = re.compile(r"(?<![\w@])@\w+|(?<!\w)/?u/\w+")
_NAME = re.compile(r"\[[A-Za-z]{2,20}\]")
_NUMBER = re.compile(r"(?<![<\d])\d+(?:[.,:]\d+)*")
_CLITIC = re.compile(r"(\w) ?' ?(s|m|d|t|re|ve|ll)\b", re.IGNORECASE)
_NOT = re.compile(r"(\w)n't\b", re.IGNORECASE)
_RUN = re.compile(r"([^\W\d_])\1{2,}")
_TOKEN = re.compile(
    r"<(?:url|user|name|num)>"
    r"|[:;=][-o'^]?[()\[\]dpo/\\|3*](?!\w)|\bx+d\b|<3+(?!\d)|\^_*\^|[-o]_+[-o]"  # emoticons
    r"|'[a-z]+\b|[^\W_]+(?:['][^\W_]+)*"
    r"|\.{2,}|…|!+|\?+|[!?]{2,}|[^\w\s]"
)
_MOST_MARKS = 30
_INVISIBLE = ("Cc", "Cf", "Cs", "Co")
_EMOJI_PARTS = frozenset("\ufe0e\ufe0f\u200d") | {chr(c) for c in range(0x1F3FB, 0x1F400)}


@dataclass(frozen=True, slots=True)
class TextSpec:
    """How sentences become rows; a model fits one of these only.

    Attributes:
        words: Tokens that the model reads at most.
        context: Tokens that it reads of what was said before.
        ids: Rows of one token at most.
        word_rows: Size of the part of the table for tokens and their spelling.
        gram_rows: Size of the part for character n-grams.
        least: Shortest n-gram.
        most: Longest n-gram.
    """

    words: int
    context: int
    ids: int
    word_rows: int
    gram_rows: int
    least: int
    most: int

    @property
    def rows(self) -> int:
        """Size of the table; row 0 is padding."""
        return 1 + self.word_rows + self.gram_rows


def tokens(text: str) -> list[str]:
    """Normalise a text (NFKC, quotes, masks) and cut it into tokens, in the case as written.

    Addresses become ``<url>``, user names ``<user>``, masked names such as ``[NAME]`` ``<name>``,
    numbers ``<num>``. Emoji and emoticons are tokens. Contractions are cut before ``n't``,
    ``'s`` and the like. Control characters part words. Texts over :data:`MAX_LETTERS` have none.
    """
    if len(text) > MAX_LETTERS:
        return []
    text = text if text.isascii() else _stream_safe(text)
    plain = unicodedata.normalize("NFKC", text.translate(_PLACES)).translate(_QUOTES)
    if not plain.isascii() or not plain.isprintable():
        plain = "".join(map(_visible, plain))
    plain = _NUMBER.sub("<num>", _NAME.sub("<name>", _USER.sub("<user>", _URL.sub("<url>", plain))))
    plain = _NOT.sub(r"\1 n't", _CLITIC.sub(r"\1'\2", plain))
    plain = re.sub(r"(?<=\w)'(?=(?:s|m|d|re|ve|ll)\b)", " '", plain, flags=re.IGNORECASE)
    return [match[0] for match in _TOKEN.finditer(_lower_emoticons(plain))]


def token_rows(token: str, spec: TextSpec) -> tuple[int, ...]:
    """Return the rows of one token, in the case as written: at most ``spec.ids``."""
    return _token_rows(token[:64], spec)


def sentence_rows(words: Sequence[str], spec: TextSpec) -> Ids:
    """Return the rows of tokens as the model reads them.

    Args:
        words: Tokens; of more than ``spec.words`` the first two thirds of that number and the
            last third are read.
        spec: Of the model.

    Returns:
        Shape (1, words, ids), int32, 0 where there is nothing.
    """
    return _table(read_part(words, spec), spec.words, spec)


def context_rows(before: Sequence[tuple[bool, str]], spec: TextSpec) -> Ids:
    """Return the rows of what was said before, shape (1, context, ids); see the two above.

    The last token is in the last place, so that a place tells how long ago it was said.
    """
    said = context_tokens(before, spec)
    return _table(said, spec.context, spec, spec.context - len(said))


def read_part(words: Sequence[str], spec: TextSpec) -> Sequence[str]:
    """Return the tokens that are read: all that fit, else the beginning and the end."""
    if len(words) <= spec.words:
        return words
    tail = spec.words // 3
    return [*words[: spec.words - tail], *words[len(words) - tail :]]


def context_tokens(before: Sequence[tuple[bool, str]], spec: TextSpec) -> list[str]:
    """Return the tokens of the utterances before a sentence, the newest kept when too many.

    Args:
        before: Oldest first: whether the same speaker said it, and the text.
        spec: Of the model.
    """
    words: list[str] = []
    for same, text in before:
        words += [SAME if same else OTHER, *tokens(text)]
    return words[-spec.context :]


def _table(words: Sequence[str], length: int, spec: TextSpec, start: int = 0) -> Ids:
    table = np.zeros((1, length, spec.ids), np.int32)
    for place, token in enumerate(words, start):
        rows = token_rows(token, spec)
        table[0, place, : len(rows)] = rows
    return table


@lru_cache(maxsize=16384)
def _token_rows(token: str, spec: TextSpec) -> tuple[int, ...]:
    word = _RUN.sub(r"\1\1", token.lower())
    rows = [_word_row(f"a{word}", spec), _word_row(f"b{word}", spec)]
    if (written := _spelling(token)) != "":
        rows.append(_word_row(written, spec))
    if word[0].isalpha():
        rows += [_gram_row(gram, spec) for gram in _grams(f"<{word}>", spec)]
    return tuple(rows[: spec.ids])


def _word_row(key: str, spec: TextSpec) -> int:
    return 1 + zlib.crc32(key.encode("utf-8", "replace")) % spec.word_rows


def _gram_row(key: str, spec: TextSpec) -> int:
    return 1 + spec.word_rows + zlib.crc32(key.encode("utf-8", "replace")) % spec.gram_rows


def _grams(word: str, spec: TextSpec) -> list[str]:
    """Return the n-grams, longest first: what is cut off is the least telling."""
    return [
        word[start : start + size]
        for size in range(min(spec.most, len(word) - 1), spec.least - 1, -1)
        for start in range(len(word) - size + 1)
    ]


def _spelling(token: str) -> str:
    """Return the key of how a token is written; empty when in no special way."""
    if len(token) > 1 and token.isupper():
        return "\x00caps"
    if len(token) > 1 and token[0] in "!?." and token.count(token[0]) == len(token):
        return f"\x00many{token[0]}"
    return "\x00drawn" if _RUN.search(token) else ""


def _stream_safe(text: str) -> str:
    """Leave 30 combining marks in a row (Unicode Annex 15): to order more takes quadratic time."""
    kept, run = [], 0
    for letter in text:
        run = run + 1 if unicodedata.combining(letter) else 0
        if run <= _MOST_MARKS:
            kept.append(letter)
    return "".join(kept)


def _visible(letter: str) -> str:
    if letter in _EMOJI_PARTS:
        return ""
    category = unicodedata.category(letter)
    if category == "So" or "\U0001f000" <= letter <= "\U0001faff":
        return f" {letter} "
    return " " if category in _INVISIBLE or category[0] == "Z" else letter


def _lower_emoticons(text: str) -> str:
    """Return the text with ``:D`` and the like in lower case, which the pattern needs."""
    return re.sub(r"(?<=[:;=xX])[-o]?[DPO](?!\w)", lambda found: found[0].lower(), text)
