"""What the figures of words give a sentence, before they measure it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.train_tools import need_torch, training

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


def test_as_many_utterances_are_given_as_asked_for_and_all_where_there_are_fewer() -> None:
    need_torch()
    with training("text_data", "text_measure") as tools:
        before = ((False, "one"), (True, "two"))
        sentence = tools.text_data.Sentence("meld", "d/1", "dev", "three", before)
        given = [tools.text_measure._with(sentence, said).before for said in range(4)]
    assert given == [(), before[1:], before, before]


def test_sentences_with_new_words_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    need_torch()
    with training("text_data", "text_measure") as tools:
        made = tools.text_data.Sentence
        dev = [
            made("meld", f"d/{n}", "dev", text, categories=frozenset(["neutral"]))
            for n, text in enumerate(("Oh no!", "Is it you?", "Yes."))
        ]
        half = {"accuracy": 0.5, "macro_f1": 0.5, "weighted_f1": 0.5}
        found = lambda _, clips: SimpleNamespace(n=len(clips), **half)  # noqa: E731 - one line
        monkeypatch.setattr(tools.text_measure, "_report", found)
        rows = tools.text_measure._new(Path("package"), dev, {"oh no", "you"})["rows"]
    assert [row[:3] for row in rows if row[0] == "meld"] == [
        ["meld", "all", 3],
        ["meld", "with new words only", 2],
    ]
