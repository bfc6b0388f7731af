"""Clips are cut where speech begins, and the table takes the place of the former one."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge_emo.datasets.clips import Clip
from tests.train_tools import tools_of

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


tools = tools_of("voice_heard", "export")


def test_speech_begins_where_the_loud_part_does(tools: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 30, 48000)
    sound[16000:] += rng.normal(0, 6000, 32000)
    assert tools.voice_heard.onset_s(sound.astype(np.int16)) == pytest.approx(0.95, abs=0.05)
    assert tools.voice_heard.onset_s(sound[16000:].astype(np.int16)) == 0.0


def test_a_cut_ends_so_long_after_it_began(tools: SimpleNamespace) -> None:
    clip = Clip("a", "voice", path="a.wav", start_s=0.5)
    assert tools.voice_heard.cut(clip, 1.5).end_s == 2.0
    assert tools.voice_heard.cut(clip, float("inf")) is clip


def test_a_table_takes_the_place_of_that_of_its_title(
    tools: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.export.card, "write_card", lambda folder: None)
    first = {"title": "one", "rows": [[1]]}
    tables = [first, {"title": "two", "rows": [[2]]}]
    (tmp_path / "metrics.json").write_text(json.dumps({"tables": tables, "n": 1}), "utf-8")
    tools.export.add_table(tmp_path, {"title": "two", "rows": [[3]]})
    found = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert found == {"tables": [first, {"title": "two", "rows": [[3]]}], "n": 1}
