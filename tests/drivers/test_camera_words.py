"""What is told of a camera's URL."""

from __future__ import annotations

import pytest

from edge_emo.drivers.camera import videocapture


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("rtsp://camera.local/live?token=hidden", "rtsp://camera.local/live"),
        ("rtsp://user:hidden@camera.local:554/live?a=b", "rtsp://camera.local:554/live"),
        ("rtsp://user:hid@den@camera.local", "rtsp://camera.local"),
        ("rtsp://user:a/hidden@camera.local/live", "rtsp://…"),
        ("rtsp://user?hidden@camera.local/live", "rtsp://…"),
        ("http://camera.local/video?user=admin&pwd=p@hidden", "http://…"),
    ],
)
def test_no_part_of_a_password_is_told(url: str, told: str) -> None:
    assert videocapture.words(url) == told
