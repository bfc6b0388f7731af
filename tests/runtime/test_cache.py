from __future__ import annotations

from pathlib import Path

import pytest

from edge_emo.runtime.cache import read_own, user_cache_dir


@pytest.mark.parametrize("value", ["", "relative/cache"])
def test_a_relative_cache_folder_is_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache_dir() == tmp_path / ".cache" / "edge-emo"


def test_what_cannot_be_read_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"x")
    assert read_own(tmp_path / "kept") == b"x"
    assert read_own(tmp_path / "none") is None
    assert read_own(tmp_path) is None
    assert read_own(tmp_path / ("n" * 300)) is None
