"""The page of errors lists every class with its base and the exit code that stands for it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from edge_emo import errors
from edge_emo.cli.app import exit_code
from edge_emo.errors import EdgeEmoError

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "errors.md"
ROW = re.compile(r"^\| `(\w+)` \| `(\w+)` \| (\d) \| .+ \|$", re.MULTILINE)


def row_of(kind: type[EdgeEmoError]) -> tuple[str, str, str]:
    base = kind.__bases__[-1].__name__
    return kind.__name__, base, str(exit_code(kind("it failed")))


def test_every_error_is_listed_in_order() -> None:
    kinds = [one for _, one in inspect.getmembers(errors, inspect.isclass)]
    kinds.sort(key=lambda one: inspect.getsourcelines(one)[1])
    assert ROW.findall(PAGE.read_text(encoding="utf-8")) == [row_of(one) for one in kinds]
