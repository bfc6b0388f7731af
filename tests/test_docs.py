"""Every code block of the README and the guides runs: Python as it is, commands up to parsing."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from edge_emo.cli.app import build_parser
from edge_emo.config import parse_config
from edge_emo.datasets.columns import read_mapping

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]
ROS2 = ROOT / "tests" / "fakes" / "ros2"  # pip does not have the real one
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[object]:
    return [
        pytest.param(match[2], id=f"{page.relative_to(ROOT)}#{number}")
        for page in PAGES
        for number, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")))
        if match[1] == language
    ]


def run_python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROS2)]))
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs(code: str, tmp_path: Path) -> None:
    run = run_python(tmp_path, "-c", code)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("code", blocks("sh"))
def test_commands_are_understood(code: str) -> None:
    parser: argparse.ArgumentParser = build_parser()
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in code.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["edge-emo"]:
            parser.parse_args(words[1:])
        if words[:1] == ["make"]:
            assert words[1] in targets


@pytest.mark.parametrize("code", blocks("toml"))
def test_configuration_is_valid(code: str, tmp_path: Path) -> None:
    if "[columns]" in code:
        (tmp_path / "mapping.toml").write_text(code)
        assert read_mapping(tmp_path / "mapping.toml").columns
    elif "entry-points" not in code and "[[inputs]]" not in code:  # that is a model.toml
        parse_config(code, "example")


def test_the_example_of_the_readme_has_at_most_eight_lines() -> None:
    first = next(m[2] for m in BLOCK.finditer(PAGES[0].read_text()) if m[1] == "python")
    assert len(first.strip().splitlines()) <= 8


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as links to them are written."""
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_to_headings_lead_somewhere() -> None:
    for page in PAGES:
        links = re.findall(r"\]\(([^)\s:]*\.md)?#([^)\s]+)\)", page.read_text(encoding="utf-8"))
        for target, name in links:
            assert name in anchors(page.parent / target if target else page), f"{page}: {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_examples_run(path: Path, tmp_path: Path) -> None:
    run = run_python(tmp_path, str(path), "--seconds", "2")
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()


def test_every_module_of_the_reference_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    listed = re.search(r"^REFERENCE = (.*)$", makefile, re.MULTILINE)
    assert listed is not None
    missing = [name for name in listed[1].split() if not find_spec(f"edge_emo.{name}")]
    assert missing == []
