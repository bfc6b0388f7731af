"""The same recording gives the same states, bit for bit."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_emo import Pipeline
from edge_emo.config import Config, States
from edge_emo.demo import demo_streams
from edge_emo.errors import ConfigError, RecordingError, UnavailableError
from edge_emo.recording.values import state_to_json

GOLDEN = Path(__file__).parent / "session"


def demo_config() -> Config:
    try:
        return Config(streams=demo_streams())
    except UnavailableError as error:
        pytest.skip(f"{error}: {error.hint}")


@pytest.fixture(scope="module", params=["raw", "predictions"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of the demonstration, with and without its raw signals."""
    folder = tmp_path_factory.mktemp("recorded") / "session"
    raw = "true" if request.param == "raw" else "false"
    with Pipeline(config=demo_config(), sinks=[f"record:{folder}?raw={raw}"]) as pipeline:
        for state in pipeline:
            if state.t_ns > 4e9:
                break
    return folder


def replay(folder: Path, speed: float = 0.0) -> list[str]:
    with Pipeline.replay(folder, speed=speed) as pipeline:
        return [json.dumps(state_to_json(state)) for state in pipeline]


def test_every_replay_is_bit_identical(recorded: Path) -> None:
    first = replay(recorded)
    assert len(first) >= 30
    states = [json.loads(line) for line in first]
    assert any(state["expressed"] for state in states)
    for _ in range(3):
        assert replay(recorded) == first


def test_the_speed_of_a_replay_does_not_change_its_states(recorded: Path) -> None:
    assert replay(recorded, speed=8.0) == replay(recorded)


@pytest.fixture
def busy_machine() -> Iterator[None]:
    stop = threading.Event()

    def burn() -> None:
        while not stop.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=burn) for _ in range(1)]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("busy_machine")
def test_a_busy_machine_does_not_change_the_states(recorded: Path) -> None:
    assert replay(recorded) == replay(recorded)


def test_a_replay_carries_the_recorded_evidence(recorded: Path) -> None:
    with Pipeline.replay(recorded) as pipeline:
        states = list(pipeline)
    for modality in ("face", "voice"):
        assert any(
            modality in state.by_modality and state.by_modality[modality].posterior
            for state in states
        )


def close(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, abs=1e-12)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[k], other[k]) for k in one)
    return one == other


def test_the_committed_session_gives_the_committed_states() -> None:
    """Fusion of committed predictions; sums of logarithms may differ in the last bits."""
    lines = (GOLDEN.parent / "states.jsonl").read_text().splitlines()
    states = [json.loads(line) for line in replay(GOLDEN)]
    assert len(states) == len(lines)
    assert all(close(state, json.loads(line)) for state, line in zip(states, lines, strict=True))


def test_a_missing_session_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="absent"):
        Pipeline.replay(tmp_path / "absent")


@pytest.mark.parametrize("recorded", ["raw"], indirect=True)
def test_a_damaged_recording_ends_its_stream_and_the_others_go_on(
    tmp_path: Path, recorded: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(recorded, folder)
    lines = (folder / "eeg.csv").read_text().splitlines(keepends=True)
    lines[400] = "not,a,row\n"
    (folder / "eeg.csv").write_text("".join(lines))
    with Pipeline.replay(folder) as pipeline:
        last = list(pipeline)[-1]
    assert "401" in last.health["eeg"].reason
    assert last.expressed is not None


def test_a_live_device_cannot_be_reproduced() -> None:
    config = Config(states=States(join="reproducible"))
    with pytest.raises(ConfigError, match="cannot be reproduced"):
        Pipeline(eeg="virtual:", config=config).open()


def test_a_reader_that_leaves_a_replay_ends_it(recorded: Path) -> None:
    before = set(threading.enumerate())
    with Pipeline.replay(recorded) as pipeline:
        next(iter(pipeline))
    for thread in set(threading.enumerate()) - before:
        thread.join(10.0)
        assert not thread.is_alive()
