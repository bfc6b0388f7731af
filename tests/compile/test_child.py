from __future__ import annotations

from threading import Event

import pytest

from edge_emo.compile.child import ChildError, run_in_child

JOBS = "tests.fakes.child_jobs:"


def test_the_answer_comes_back_through_the_noise() -> None:
    assert run_in_child(f"{JOBS}add", {"a": 2, "b": 3}, 30.0) == {"sum": 5}


def test_all_stops_when_it_is_told_to() -> None:
    stopped = Event()
    stopped.set()
    with pytest.raises(ChildError, match="was stopped"):
        run_in_child(f"{JOBS}hang", {}, 30.0, stopped)


@pytest.mark.parametrize(
    ("job", "timeout_s", "words"),
    [
        ("hang", 1.0, "did not end within 1 s"),
        ("crash", 30.0, "was killed by SIGSEGV"),
        ("complain", 30.0, "a tool is missing"),
        ("stumble", 30.0, "ValueError: a number is odd"),
        ("leave", 30.0, "ended with status 3"),
    ],
)
def test_what_goes_wrong_is_a_reason(job: str, timeout_s: float, words: str) -> None:
    with pytest.raises(ChildError, match=words):
        run_in_child(f"{JOBS}{job}", {}, timeout_s)
