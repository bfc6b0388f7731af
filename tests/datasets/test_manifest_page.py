"""The guide lists every key of a manifest, and every suffix that is decoded."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

from edge_emo.datasets.clips import Clip, check_clip
from edge_emo.datasets.decode import IMAGES, SOUNDS

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "datasets.md"


def manifest_section() -> str:
    text = GUIDE.read_text(encoding="utf-8")
    return text.partition("\n## The manifest\n")[2].partition("\n## ")[0]


def test_every_key_is_listed() -> None:
    listed = re.findall(r"^\| `(\w+)` \| .+ \|$", manifest_section(), re.MULTILINE)
    assert sorted(listed) == sorted(field.name for field in dataclasses.fields(Clip))


def test_the_example_is_a_clip() -> None:
    line = manifest_section().partition("```json\n")[2].partition("\n```")[0]
    assert check_clip(json.loads(line), "guide").label == "happiness"


def test_every_suffix_is_listed() -> None:
    rows = dict(re.findall(r"^\| (face|voice) \| (.+) \|$", manifest_section(), re.MULTILINE))
    assert re.findall(r"`(\.\w+)`", rows["face"]) == list(IMAGES)
    assert re.findall(r"`(\.\w+)`", rows["voice"]) == list(SOUNDS)
