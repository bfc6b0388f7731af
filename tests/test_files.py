from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_emo.files import read_regular, write_whole
from tests.fakes.irregular import IRREGULAR, Make


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow beyond 100 bytes; only as long as nothing else writes, such as a log."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"former")
    write_whole(path, b"new", 0o640)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_former_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"former")
    with full_disk(), pytest.raises(OSError, match="too large"):
        write_whole(path, bytes(1000))
    assert path.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "kept", list[bytes]()
    path.write_bytes(b"former")

    def sync(handle: int) -> None:
        assert path.read_bytes() == b"former"
        synced.append(os.pread(handle, 100, 0))

    monkeypatch.setattr(os, "fsync", sync)
    write_whole(path, b"new")
    assert (synced, path.read_bytes()) == ([b"new"], b"new")


def test_a_regular_file_is_read_through_a_link_too(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"content")
    (tmp_path / "link").symlink_to("kept")
    assert read_regular(tmp_path / "link") == b"content"


@pytest.mark.parametrize("make", IRREGULAR)
def test_what_is_no_regular_file_is_an_error_and_not_waited_for(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "odd")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="not a regular file") as caught:
        read_regular(tmp_path / "odd")
    assert caught.value.filename == str(tmp_path / "odd")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
