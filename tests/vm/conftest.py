from __future__ import annotations

from collections.abc import Callable

import pytest

FIGURES: list[str] = []


@pytest.fixture
def tell() -> Callable[[str], None]:
    """Return a function that prints a measured figure below the tests."""
    return FIGURES.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("this machine against an emulated Arm machine")
        terminalreporter.write_line("\n".join(FIGURES))
