from __future__ import annotations

from pathlib import Path

import pytest

from edge_emo.runtime.cache import read_kept, read_own, user_cache_dir, write_kept
from tests.fakes.irregular import IRREGULAR, Make


@pytest.mark.parametrize("value", ["", "relative/cache"])
def test_a_relative_cache_folder_is_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache_dir() == tmp_path / ".cache" / "edge-emo"


def test_what_cannot_be_read_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"x")
    (tmp_path / "kept").chmod(0o644)
    assert read_own(tmp_path / "kept") == b"x"
    assert read_own(tmp_path / "none") is None
    assert read_own(tmp_path) is None
    assert read_own(tmp_path / ("n" * 300)) is None


@pytest.mark.parametrize("make", IRREGULAR)
def test_what_is_no_regular_file_is_not_there(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "odd")
    assert read_own(tmp_path / "odd") is None


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_what_others_may_write_is_not_read(tmp_path: Path, mode: int) -> None:
    write_kept(tmp_path / "kept", b"content")
    (tmp_path / "kept").chmod(mode)
    assert read_own(tmp_path / "kept") is None
    assert read_kept(tmp_path / "kept") is None


def test_what_was_kept_is_read_whole_or_not_at_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "kept"
    write_kept(path, b"content")
    assert read_kept(path) == b"content"
    assert not caplog.records
    whole = path.read_bytes()
    for damaged in (b"", whole[:10], whole[:-1], whole + b"t", whole[:-1] + b"T"):
        path.write_bytes(damaged)
        caplog.clear()
        assert read_kept(path) is None
        assert f"{path} is damaged" in caplog.text


def test_what_was_kept_under_another_name_is_not_read(tmp_path: Path) -> None:
    write_kept(tmp_path / "one", b"content")
    (tmp_path / "one").rename(tmp_path / "other")
    assert read_kept(tmp_path / "other") is None
