"""The page of the configuration lists every key with its default."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from edge_emo.config import Config
from edge_emo.fusion.base import LIFETIME_S

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "configuration.md"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| .+ \|$", re.MULTILINE)
TABLES = [field.name for field in dataclasses.fields(Config) if field.name != "sinks"]


def section(heading: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def as_written(default: Any) -> str:
    if default is None:
        return "none"
    return f"`{json.dumps(default)}`"


@pytest.mark.parametrize("table", TABLES)
def test_every_key_is_listed_with_its_default(table: str) -> None:
    defaults = dataclasses.asdict(getattr(Config(), table))
    expected = {key: as_written(value) for key, value in defaults.items()}
    assert dict(ROW.findall(section(table))) == expected


def test_sinks_are_told_of() -> None:
    assert "`sinks`" in section("sinks")
    assert Config().sinks == ()


def test_default_lifetimes_are_those_of_the_fusion() -> None:
    said = re.findall(r"([\d.]+) s\s+for\s+`(\w+)`", section("fusion"))
    assert {name: float(value) for value, name in said} == LIFETIME_S
