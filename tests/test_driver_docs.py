"""Each built-in driver has a page of one shape, and option tables that equal its constructor."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edge_emo.registry import DRIVERS, SINKS, Table
from edge_emo.sinks.csv import COLUMNS

DOCS = Path(__file__).resolve().parents[1] / "docs"
HEADINGS = ["Address", "Options", "Time stamps", "When it fails", "Limits"]
LIMITS_FIRST = ["Limits", "Address", "Options", "Time stamps", "When it fails"]
SHARED_PAGES = {"push": "text"}
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.+?) \| (.+) \|$", re.MULTILINE)
TABLE_HEAD = "| option | type | default | meaning |"
FAILURE_HEAD = "| what happens | error or health | what the driver does | what to do |"

Option = tuple[str, str]


def built_in(table: Table) -> list[str]:
    """Names of the table's own rows; plug-ins that happen to be installed document themselves."""
    return [name for name in table.names() if table.load(name).__module__.startswith("edge_emo.")]


def page_of(row: str) -> Path:
    name = row.partition(".")[2]
    return DOCS / "drivers" / f"{SHARED_PAGES.get(name, name)}.md"


def text_of(row: str) -> str:
    path = page_of(row)
    assert path.exists(), f"driver {row} has no page {path.name}"
    return path.read_text(encoding="utf-8")


def section(text: str, heading: str, level: str = "##") -> str:
    """What stands between a heading and the next one of its level or above; empty without it."""
    found = re.search(rf"^{level} {re.escape(heading)}$", text, re.MULTILINE)
    if found is None:
        return ""
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(level)}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def documented(text: str) -> dict[str, Option]:
    return {name: (kind, default) for name, kind, default, _ in ROW.findall(text)}


def constructed(factory: type) -> dict[str, Option]:
    """Type and default of each option as a page writes them; the first parameter is no option."""
    hints = typing.get_type_hints(inspect.getattr_static(factory, "__init__"))
    parameters: Mapping[str, inspect.Parameter] = inspect.signature(factory).parameters
    return {
        name: (plain_type(hints[name]), as_written(parameter.default))
        for name, parameter in list(parameters.items())[1:]
    }


def plain_type(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return str(hint.__name__)


def as_written(default: object) -> str:
    if default is None:
        return "none"
    if default == "":
        return "empty"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


@pytest.mark.parametrize("row", built_in(DRIVERS))
def test_page_has_the_headings_in_order(row: str) -> None:
    text = text_of(row)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) in (HEADINGS, LIMITS_FIRST)
    assert row.partition(".")[2] in text.splitlines()[0].removeprefix("# ").split(" and ")
    assert all(section(text, heading).strip() for heading in HEADINGS)


@pytest.mark.parametrize("row", built_in(DRIVERS))
def test_option_table_equals_the_constructor(row: str) -> None:
    options = section(text_of(row), "Options")
    if re.search("^### ", options, re.MULTILINE):
        options = section(options, row, "###")
    assert TABLE_HEAD in options
    assert documented(options) == constructed(DRIVERS.load(row))


@pytest.mark.parametrize("row", built_in(DRIVERS))
def test_failure_table_has_the_columns(row: str) -> None:
    table = section(text_of(row), "When it fails").strip().splitlines()
    assert table[0] == FAILURE_HEAD
    assert all(line.count(" | ") == 3 for line in table[2:]), table
    assert len(table) > 2


@pytest.mark.parametrize("row", built_in(DRIVERS))
def test_page_shows_an_address(row: str) -> None:
    assert f"`{row.partition('.')[2]}:" in section(text_of(row), "Address")


def test_every_page_is_of_a_driver() -> None:
    pages = {page_of(row).name for row in built_in(DRIVERS)}
    assert {path.name for path in (DOCS / "drivers").glob("*.md")} == pages


@pytest.mark.parametrize("name", built_in(SINKS))
def test_sinks_are_described(name: str) -> None:
    text = section((DOCS / "sinks.md").read_text(encoding="utf-8"), name)
    assert f"`{name}:" in text
    assert documented(text) == constructed(SINKS.load(name))


def test_columns_of_the_csv_are_listed_in_order() -> None:
    text = section((DOCS / "sinks.md").read_text(encoding="utf-8"), "csv")
    table = text[text.index("| columns |") :].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()]
    assert tuple(re.findall(r"`(\w+)`", " ".join(cells))) == COLUMNS
