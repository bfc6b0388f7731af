"""A training run that has seen what it is evaluated on is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from edge_emo.datasets.clips import Clip


@pytest.fixture(scope="module")
def leakage() -> ModuleType:
    file = Path(__file__).parents[2] / "tools/train/leakage.py"
    spec = importlib.util.spec_from_file_location("leakage", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def voice(name: str, speaker: str, path: str | None = None) -> Clip:
    return Clip(name, "voice", corpus="x", speaker=speaker, path=path)


def text(name: str, words: str) -> Clip:
    return Clip(name, "text", text=words)


def test_nothing_shared_passes(leakage: ModuleType) -> None:
    leakage.refuse_overlap([voice("x/1", "x/a")], [voice("x/2", "x/b")])


def test_a_shared_speaker_is_named(leakage: ModuleType) -> None:
    with pytest.raises(leakage.LeakageError, match=r"speakers .*x/1 and x/2"):
        leakage.refuse_overlap([voice("x/1", "x/a")], [voice("x/2", "x/a")])


def test_the_same_sound_under_another_name_is_found(leakage: ModuleType, tmp_path: Path) -> None:
    for name, content in (("one.wav", b"same"), ("two.wav", b"same"), ("three.wav", b"other")):
        (tmp_path / name).write_bytes(content)
    seen = [voice("x/1", "x/a", "one.wav")]
    leakage.refuse_overlap(seen, [voice("x/3", "x/b", "three.wav")], root=tmp_path)
    with pytest.raises(leakage.LeakageError, match="files"):
        leakage.refuse_overlap(seen, [voice("x/2", "x/b", "two.wav")], root=tmp_path)


def test_cuts_of_one_file_may_touch_and_not_overlap(leakage: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "long.wav").write_bytes(b"long")

    def cut(name: str, start_s: float | None, end_s: float | None) -> Clip:
        return Clip(name, "voice", path="long.wav", start_s=start_s, end_s=end_s)

    seen = [cut("x/1", 10.0, 20.0), cut("x/2", 30.0, 40.0)]
    leakage.refuse_overlap(seen, [cut("x/3", 20.0, 30.0), cut("x/4", 40.0, None)], root=tmp_path)
    for start_s, end_s in ((12.0, 18.0), (39.0, None), (None, None)):
        with pytest.raises(leakage.LeakageError, match="files"):
            leakage.refuse_overlap(seen, [cut("x/5", start_s, end_s)], root=tmp_path)


def test_a_text_that_differs_in_case_and_space_only_is_found(leakage: ModuleType) -> None:
    with pytest.raises(leakage.LeakageError, match="texts"):
        leakage.refuse_overlap(
            [text("a", "The train is late.")], [text("b", "the  Train is late.")]
        )


def test_a_dialogue_on_both_sides_is_found(leakage: ModuleType) -> None:
    def dialogue(clip: Clip) -> str:
        return clip.clip.split("/")[0]

    with pytest.raises(leakage.LeakageError, match="dialogues"):
        leakage.refuse_overlap([text("d1/0", "Hi.")], [text("d1/1", "Bye.")], dialogue=dialogue)
    leakage.refuse_overlap([text("d1/0", "Hi.")], [text("d2/0", "Bye.")], dialogue=dialogue)
