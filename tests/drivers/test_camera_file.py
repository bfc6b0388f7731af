"""A video file whose content changes while it is read."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from edge_emo.clock import ReplayClock
from edge_emo.drivers.camera.file import FileSource
from edge_emo.errors import ConfigError
from tests.drivers.test_opencv_camera import write_video


def test_a_looped_file_that_shows_nothing_any_more_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FileSource(write_video(tmp_path / "clip.avi", n_frames=3), True, ReplayClock())
    source.read(1.0)
    monkeypatch.setattr("edge_emo.drivers.camera.file.picture", lambda capture: None)
    with contextlib.closing(source), pytest.raises(ConfigError, match="holds no video"):
        source.read(1.0)
