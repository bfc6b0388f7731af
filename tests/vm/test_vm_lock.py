"""The locked wheels are those that the project asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement  # pytest brings it

from edge_emo.vendor import toml
from tools.vm.wheels import EXTRAS, LOCK, ROOT

RENEW = "renew it: python -m tools.vm lock"
PROJECT = toml().loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = re.compile(r"^edge-emo\[([\w,]+)\]$")
ROW = re.compile(r"^(\S+)==(\S+) --hash=sha256:[0-9a-f]{64}$")


def asked(extras: str) -> list[str]:
    """Requirements of extras, those of the extras within them included."""
    rows: list[str] = []
    for extra in extras.split(","):
        for row in PROJECT["optional-dependencies"][extra]:
            inner = OWN.match(row)
            rows += asked(inner[1]) if inner else [row]
    return rows


REQUIREMENTS = [r for r in (*PROJECT["dependencies"], *asked(EXTRAS)) if "python_version" not in r]


def locked() -> dict[str, str]:
    lines = [line for line in Path(LOCK).read_text().splitlines() if not line.startswith("#")]
    found = [ROW.match(line) for line in lines]
    assert all(found), RENEW
    return {match[1].lower(): match[2] for match in found if match}


@pytest.mark.parametrize("requirement", sorted(set(REQUIREMENTS)))
def test_a_requirement_is_locked_at_a_version_that_it_allows(requirement: str) -> None:
    wanted = Requirement(requirement)
    assert wanted.name.lower() in locked(), RENEW
    assert wanted.specifier.contains(locked()[wanted.name.lower()]), RENEW
