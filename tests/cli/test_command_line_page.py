"""The page of the command line lists every verb, and exactly the options that it takes."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from edge_emo.cli.app import VERBS, build_parser
from edge_emo.datasets.mix import recipes
from edge_emo.registry import BACKENDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "command-line.md"
SHARED = ("streams", "states")


def section(heading: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def actions(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers one level below; empty where there are none."""
    found = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def taken(parser: argparse.ArgumentParser) -> set[str]:
    own = {name for action in parser._actions for name in action.option_strings}
    return (own - {"-h", "--help"}).union(*map(taken, actions(parser).values()))


def listed(text: str) -> set[str]:
    return set(re.findall(r"(?<!VERB )(--[a-z][a-z-]*)", text))


@pytest.mark.parametrize("verb", VERBS)
def test_options_of_a_verb_are_those_that_it_takes(verb: str) -> None:
    text = section(verb)
    names = re.search(r"Options: ([^.]*?), below", text)
    shared = [name for name in SHARED if names and name in names[1]]
    tables = re.findall(r"^\|.*$", text, re.MULTILINE)
    told = listed("\n".join(tables)).union(*(listed(section(s.capitalize())) for s in shared))
    told |= {"--json"} if "Every action takes `--json`" in text else set()
    assert told == taken(actions(build_parser())[verb])


@pytest.mark.parametrize("verb", ["bridge", "datasets"])
def test_every_action_is_listed(verb: str) -> None:
    told = set(re.findall(rf"`{verb} ([a-z]+)", section(verb)))
    assert told == set(actions(actions(build_parser())[verb]))


def test_every_recipe_is_listed() -> None:
    row = next(line for line in section("datasets").splitlines() if "`datasets mix" in line)
    assert set(recipes()) <= set(re.findall(r"`([a-z-]+)`", row))


@pytest.mark.parametrize("verb", ["run", "record", "replay", "demo", "bench", "evaluate"])
def test_help_names_every_backend(verb: str) -> None:
    option = actions(build_parser())[verb]._option_string_actions["--backend"]
    own = {name for name in BACKENDS if BACKENDS.load(name).__module__.startswith("edge_emo.")}
    assert set(re.findall(r"[a-z-]+", (option.help or "").partition(";")[0])) == own
