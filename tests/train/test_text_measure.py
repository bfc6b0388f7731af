"""What the figures of words give a sentence, before they measure it."""

from __future__ import annotations

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
