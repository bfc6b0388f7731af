"""Sentences as rows of a hashed table."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.features.text import (
    MAX_LETTERS,
    OTHER,
    SAME,
    TextSpec,
    context_rows,
    context_tokens,
    read_part,
    sentence_rows,
    token_rows,
    tokens,
)

SPEC = TextSpec(words=12, context=8, ids=10, word_rows=1000, gram_rows=2000, least=3, most=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I can't, you're late!", ["I", "ca", "n't", ",", "you", "'re", "late", "!"]),
        ("I don ’ t know", ["I", "do", "n't", "know"]),
        ("it\x92s over\x85", ["it", "'s", "over", "..."]),
        ("see https://a.example/b?c=d now", ["see", "<url>", "now"]),
        ("@sam and u/sam and [NAME]", ["<user>", "and", "<user>", "and", "<name>"]),
        ("at 10:30 for 2.50", ["at", "<num>", "for", "<num>"]),
        ("fine :D :( <3", ["fine", ":d", ":(", "<3"]),
        ("👍🏽 ❤️ ok😂😂", ["👍", "❤", "ok", "😂", "😂"]),
        ("no!!! why?? hm...", ["no", "!!!", "why", "??", "hm", "..."]),
        ("ﬁne ＷＯＷ", ["fine", "WOW"]),
        ("one\x00two\tthree\u200bfour", ["one", "two", "three", "four"]),
        ("", []),
        ("\x07\x1b \n", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_case_and_drawn_out_letters_share_the_word_and_differ_in_one_row() -> None:
    plain, caps, drawn = (token_rows(word, SPEC) for word in ("soo", "SOO", "sooooooo"))
    assert caps[:2] == drawn[:2] == plain[:2]
    assert len(caps) == len(drawn) == len(plain) + 1
    assert caps[2] != drawn[2]


def test_words_of_one_stem_share_rows_and_others_hardly_any() -> None:
    happy, happily, table = (set(token_rows(w, SPEC)) for w in ("happy", "happily", "table"))
    assert len(happy & happily) >= 3
    assert len(happy & table) <= 1


def test_rows_are_the_same_in_another_process() -> None:
    code = (
        "from edge_emo.features.text import *;"
        f"print(token_rows('Gladly', TextSpec{tuple(getattr(SPEC, n) for n in SPEC.__slots__)}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(token_rows("Gladly", SPEC))
    assert token_rows("!", SPEC) == (1 + 0x71565847 % 1000, 1 + 0x5A7B0B84 % 1000)


def test_a_long_sentence_is_read_at_both_ends() -> None:
    words = [f"w{number}" for number in range(30)]
    assert read_part(words, SPEC) == [*words[:8], *words[26:]]
    assert read_part(words[:12], SPEC) == words[:12]


def test_a_text_too_long_has_no_tokens() -> None:
    assert tokens("a " * (MAX_LETTERS // 2)) != []
    assert tokens("a" * (MAX_LETTERS + 1)) == []


def test_context_says_who_spoke_and_keeps_the_newest() -> None:
    before = [(False, "you promised me that"), (True, "did I"), (False, "yes")]
    found = context_tokens(before, SPEC)
    assert found == ["promised", "me", "that", SAME, "did", "I", OTHER, "yes"]
    assert context_rows([], SPEC).sum() == 0


@given(st.text(max_size=200))
def test_any_text_gives_rows_within_the_table(text: str) -> None:
    found = sentence_rows(tokens(text), SPEC)
    assert found.shape == (1, SPEC.words, SPEC.ids)
    assert found.dtype == np.int32
    assert found.min() >= 0
    assert found.max() < SPEC.rows
    assert (found == sentence_rows(tokens(text), SPEC)).all()


@given(st.text(alphabet=st.characters(categories=["Cc", "Cf", "Zs"]), max_size=50))
def test_what_nobody_sees_has_no_words(text: str) -> None:
    assert not any(token[0].isalnum() for token in tokens(text))


def test_of_marks_on_one_letter_thirty_count() -> None:
    marks = "\u0315\u0300"
    assert tokens("a" + marks * 9000 + " b") == tokens("a" + marks * 15 + " b")
    assert tokens("a" + marks * 15) != tokens("a" + marks * 14)
