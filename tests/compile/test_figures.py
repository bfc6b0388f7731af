"""The table of candidates is read from metrics.json, or its damage is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_emo.compile import read_figures
from edge_emo.errors import ModelError


def test_a_package_that_was_never_compiled_has_none(tmp_path: Path) -> None:
    assert read_figures(tmp_path) == []
    (tmp_path / "metrics.json").write_text('{"evaluations": []}')
    assert read_figures(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        "[" * 100_000,
        '{"compiled": {"candidates": 3}}',
        '{"compiled": {"candidates": [1]}}',
    ],
)
def test_damage_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(ModelError, match=r"metrics\.json cannot be read"):
        read_figures(tmp_path)
