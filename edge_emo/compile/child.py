"""Work that may hang or crash, done in a child process with a time-out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from typing import Any

from edge_emo.errors import EdgeEmoError, ModelError

# The child gets the parent's import path: it may run from a checkout.
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from edge_emo.compile.child import serve; sys.exit(serve(*sys.argv[2:]))"
)


class ChildError(ModelError):
    """The work failed; the message is the reason in words."""


def run_in_child(
    function: str,
    arguments: Mapping[str, Any],
    timeout_s: float,
    stopped: Event | None = None,
) -> dict[str, Any]:
    """Call a function in a process of its own.

    Args:
        function: ``module:name``; it takes the arguments by name and returns a dictionary.
        arguments: What JSON can say.
        timeout_s: The process is killed when it takes longer.
        stopped: Kills the process when it is set.

    Returns:
        What the function returned.

    Raises:
        ChildError: It raised, crashed, did not end in time, or was stopped.
    """
    with tempfile.TemporaryDirectory(prefix="edge-emo-") as folder:
        answer = Path(folder) / "answer.json"
        words = [function, json.dumps(dict(arguments)), str(answer)]
        command = [sys.executable, "-c", _CHILD, json.dumps(sys.path), *words]
        _call(command, timeout_s, stopped or Event())
        result: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return result


def serve(function: str, arguments: str, answer: str) -> int:
    """Do the work: what the child process runs."""
    module, _, name = function.partition(":")
    __import__(module)
    try:
        result = getattr(sys.modules[module], name)(**json.loads(arguments))
    except EdgeEmoError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    Path(answer).write_text(json.dumps(result), encoding="utf-8")
    return 0


def _call(command: list[str], timeout_s: float, stopped: Event) -> None:
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise ChildError(f"the child process did not start: {error}") from error
    with child:
        try:
            lines = _ended(child, timeout_s, stopped).decode(errors="replace").splitlines()
        finally:
            child.kill()
    if child.returncode < 0:
        raise ChildError(f"was killed by {signal.Signals(-child.returncode).name}")
    if child.returncode > 0:
        said = [line.strip() for line in lines if line.strip()]
        raise ChildError(said[-1] if said else f"ended with status {child.returncode}")


def _ended(child: subprocess.Popen[bytes], timeout_s: float, stopped: Event) -> bytes:
    """Wait for the end; return what it wrote to stderr."""
    left_s = timeout_s
    while True:
        wait_s = min(_LOOK_S, left_s)
        try:
            return child.communicate(timeout=wait_s)[1]
        except subprocess.TimeoutExpired as error:
            left_s -= wait_s
            if stopped.is_set():
                raise ChildError("was stopped") from error
            if left_s <= 0:
                raise ChildError(f"did not end within {timeout_s:g} s") from error


_LOOK_S = 0.25
"""How often it is looked whether all should stop."""
