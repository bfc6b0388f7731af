"""Rows become aligned columns; what no row fills is left out."""

from __future__ import annotations

from edge_emo.cli.columns import columns

NAMES = {"name": "file", "kb": "kB", "why": "reason", "more": "more"}


def test_numbers_stand_at_the_right_and_words_at_the_left() -> None:
    rows = [{"name": "a.tflite", "kb": 9.8, "why": ""}, {"name": "b", "kb": 1234, "why": "slow"}]
    assert columns(NAMES, rows, "  ").splitlines() == [
        "  file        kB  reason",
        "  a.tflite   9.8",
        "  b         1234  slow",
    ]


def test_a_list_is_written_out_and_a_missing_value_is_a_gap() -> None:
    rows = [{"name": "a", "why": ["x", "y"]}, {"name": "b", "kb": None}]
    assert columns(NAMES, rows).splitlines() == ["file  reason", "a     x y", "b"]


def test_no_rows_give_no_heading() -> None:
    assert columns(NAMES, []) == ""
