"""Each target has a page of one shape, and the table of targets leads to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from edge_emo.board import Target

DOCS = Path(__file__).resolve().parents[1] / "docs"
HEADINGS = [
    "Install",
    "Boards and systems",
    "Packages and wheels",
    "What runs where",
    "Limits",
    "Measured",
]
PAGES = dict(re.findall(r"\[`(\w+)`\]\((targets/\S+\.md)\)", (DOCS / "targets.md").read_text()))


def test_every_target_has_its_row_and_page() -> None:
    assert set(PAGES) == set(get_args(Target))
    assert {DOCS / page for page in PAGES.values()} == set((DOCS / "targets").glob("*.md"))


@pytest.mark.parametrize("page", PAGES.values())
def test_page_has_the_headings_in_order_and_says_what_was_not_run(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert "not measured" in text[text.index("## Measured") :]
