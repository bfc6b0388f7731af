"""Raw signals stay in memory, and nothing leaves the device, unless the user asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, os, sys
seen = []

def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if (mode and set(str(mode)) & set("wax+")) or (flags and flags & (os.O_WRONLY | os.O_RDWR)):
            seen.append(["write", str(path)])
    elif event in ("socket.connect", "socket.sendto", "socket.bind", "subprocess.Popen"):
        seen.append([event, repr(arguments[1:])])

sys.dont_write_bytecode = True
sys.addaudithook(watch)
from edge_emo import Pipeline

with Pipeline(camera="virtual:", microphone="virtual:", eeg="virtual:", sinks=SINKS) as pipeline:
    for state in pipeline:
        if state.t_ns > 1.5e9:
            break
print(json.dumps(seen))
"""


def watched(folder: Path, sinks: list[str]) -> list[list[str]]:
    script = SCRIPT.replace("SINKS", repr(sinks))
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    events: list[list[str]] = json.loads(run.stdout.splitlines()[-1])
    return [event for event in events if not event[1].startswith(("/dev/null", "/proc/"))]


def test_a_session_writes_no_file_and_opens_no_connection(tmp_path: Path) -> None:
    assert watched(tmp_path, []) == []
    assert list(tmp_path.iterdir()) == []


def test_a_recording_without_raw_holds_no_signal(tmp_path: Path) -> None:
    events = watched(tmp_path, ["record:session"])
    assert events
    assert all("session" in path for kind, path in events if kind == "write")
    names = {path.name for path in (tmp_path / "session").iterdir()}
    assert names == {"session.json", "states.jsonl", "predictions.jsonl", "events.jsonl"}
