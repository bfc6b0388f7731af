"""The language guard: English passes, other languages do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_emo.features.text import tokens
from edge_emo.features.text_language import BUCKETS, buckets, judge, words_of

ENGLISH = [
    "I really did not expect you to come all this way.",
    "lol that's so funny, omg",
    "what a lovely little dog!",
    "My train is late again and I am soaked.",
    "no",
    "Thanks",
    "Kayleigh!",
    "gonna be late tonight, sorry",
    "WHY IS THIS SO HARD",
    "im sooooo happy for u",
]
OTHERS = [
    ("de", "Heute war ein wirklich schöner Tag für mich."),
    ("de", "Das macht mich furchtbar wütend, weil niemand zuhört."),
    ("fr", "Je ne sais pas pourquoi tu es tellement triste."),
    ("es", "Tengo mucho miedo de lo que pueda pasar mañana."),
    ("it", "Sono davvero contento che tu sia venuto stasera."),
    ("pt", "Não acredito que você fez isso comigo."),
    ("nl", "Ik vind het heel jammer dat je niet kunt komen."),
    ("pl", "Bardzo się cieszę, że wreszcie jesteś w domu."),
    ("sv", "Jag blev så glad när du ringde igår."),
    ("fi", "Olen todella pettynyt tähän päivään."),
    ("tr", "Bugün kendimi çok mutlu hissediyorum."),
    ("id", "Saya tidak tahu mengapa dia begitu marah."),
    ("other script", "Мне сегодня очень грустно"),
    ("other script", "今日はとても嬉しいです"),
    ("other script", "أنا سعيد جدا اليوم"),
    ("other script", "मैं आज बहुत खुश हूँ"),
    ("other script", "오늘 정말 행복해요"),
]


@pytest.mark.parametrize("text", ENGLISH)
def test_english_passes(text: str) -> None:
    assert judge(tokens(text)).english


@pytest.mark.parametrize(("language", "text"), OTHERS)
def test_another_language_does_not_and_is_named(language: str, text: str) -> None:
    assert judge(tokens(text)) == (language, False)


def test_names_masks_and_emoji_have_no_language() -> None:
    assert judge(tokens("[NAME] @someone 12:30 😂 https://a.example")) == ("", True)


def test_a_word_that_is_repeated_counts_once() -> None:
    assert words_of(["NO", "no", "Noooo", "'s", "<url>"]) == ["no", "noo"]


@given(st.text(max_size=80))
def test_any_text_gets_a_verdict(text: str) -> None:
    verdict = judge(tokens(text))
    assert verdict.english or verdict.language
    assert all(0 <= row < BUCKETS for word in words_of(tokens(text)) for row in buckets(word))
