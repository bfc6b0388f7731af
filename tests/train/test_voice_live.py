"""A clip is heard as a microphone gives it, and a pause behind it ends its utterance."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge_emo.datasets.clips import Clip
from edge_emo.manifest import find_package
from edge_emo.types import Chunk
from tests.train_tools import tools_of

pytestmark = pytest.mark.absent_in_ci("PyTorch is for training; CI installs what devices need")


tools = tools_of("voice_live", "voice_score", "voice_bench")


def test_the_pieces_are_the_clip_and_a_pause_as_loud_as_its_quietest_part(
    tools: SimpleNamespace,
) -> None:
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, (16000, 1)).astype(np.float32)
    sound[8000:9600] *= 0.01
    found = list(tools.voice_live.pieces(Chunk("microphone", 0, 0, 16000.0, sound)))
    assert [one.seq for one in found] == list(range(0, 40000, 1024))
    whole = np.concatenate([one.data for one in found])
    np.testing.assert_array_equal(whole[:16000], sound)
    assert whole[16000:].std() == pytest.approx(0.001, rel=0.1)


def test_a_clip_gives_windows_and_one_utterance(tools: SimpleNamespace) -> None:
    file = tools.voice_score.FoldFile(find_package("voice").folder, "int8", "litert")
    clip = Clip("demo", "voice", path="demo_voice.wav", label="happiness")
    assets = Path(str(files("edge_emo") / "assets"))
    heard = list(tools.voice_live.live(file.estimator, clip, assets))
    whole = [outcome.prediction for outcome, is_whole in heard if is_whole]
    windows = [outcome.prediction for outcome, is_whole in heard if not is_whole]
    assert whole
    assert len(windows) > len(whole)
    assert max(one.duration_ns for one in windows) <= 3_000_000_000


def test_folds_are_heard_live_by_corpus(
    tools: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = SimpleNamespace(corpus="emodb")
    outcomes = [(_outcome(name), whole) for name in ("emodb", "ased") for whole in (False, True)]
    bench = object.__new__(tools.voice_bench.Bench)
    bench._runs, bench._corpora, bench._data = ["fold0"], ("emodb", "ased"), Path()
    bench._files = {"fold0": SimpleNamespace(estimator=None)}
    monkeypatch.setattr(bench, "_unseen", lambda run: [sound])
    monkeypatch.setattr(bench, "_refuse_met", lambda run, sounds: None)
    monkeypatch.setattr(tools.voice_score, "manifest_clip", lambda sound: None)
    monkeypatch.setattr(tools.voice_live, "live", lambda *_: iter(outcomes))
    monkeypatch.setattr(tools.voice_live, "row", lambda file, told, some: [told, len(list(some))])
    assert bench.live()["rows"] == [
        ["windows", 2],
        ["utterances", 2],
        ["utterances of emodb", 1],
        ["utterances of ased", 1],
    ]


def _outcome(corpus: str) -> SimpleNamespace:
    return SimpleNamespace(clip=SimpleNamespace(corpus=corpus))
