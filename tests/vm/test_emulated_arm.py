"""The built wheel on emulated 64-bit Arm machines with a kernel's real drivers.

An emulated machine proves that things work; how long they take says nothing of a real board.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edge_emo.errors import UnavailableError
from edge_emo.manifest import find_package, list_packages
from tools.vm import image, wheels
from tools.vm.compare import TOLERANCE, Rows, differences, figures, read_rows
from tools.vm.golden import write_golden
from tools.vm.machine import RASPI3B, VIRT, Board, Step, run_job

pytestmark = [
    pytest.mark.skipif(bool(image.missing()), reason=image.missing() or "-"),
    pytest.mark.timeout(1500),
]

CLI = "python3 -m edge_emo"
MICROPHONE = "portaudio:hw:0,1?open_timeout_s=60&block_s=0.1"
FIRST = """grep -m 1 '"posterior": {"'"""
"""Ends the command before it with the first state that holds an estimate."""
GUEST = image.HERE / "guest"
DOCTOR = {"doctor": f"{CLI} doctor --json"}
DEVICES = {
    **DOCTOR,
    "camera": "modprobe vivid n_devs=1 node_types=0x1 input_types=0x0 && python3 camera.py",
    "sound": "modprobe snd-aloop pcm_substreams=1 && python3 sound.py",
    "voice": "while aplay -q -D hw:Loopback,0 golden/voice.wav; do :; done & "
    f"timeout 240 {CLI} run --microphone '{MICROPHONE}' --rate 1 --json | {FIRST}; "
    "code=$?; kill $! 2> /dev/null; exit $code",
    "demo": f"timeout 240 {CLI} demo --rate 1 --json | {FIRST}",
    "replay": f"{CLI} replay session --json",
}
SAID = "estimate.py golden --backend"
BOX_S = 900.0
BARS = ["white", "yellow", "cyan", "green", "magenta", "red", "blue", "black"]
COLOURS = {
    (1, 1, 1): "white", (1, 1, 0): "yellow", (0, 1, 1): "cyan", (0, 1, 0): "green",
    (1, 0, 1): "magenta", (1, 0, 0): "red", (0, 0, 1): "blue", (0, 0, 0): "black",
}  # fmt: skip
Tell = Callable[[str], None]
Json = dict[str, Any]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every machine is given: the wheel, the guest's scripts, clips, and a session."""
    folder = tmp_path_factory.mktemp("job") / "files"
    site = folder / "site"
    wheels.install_wheel(wheels.build_wheel(folder.with_name("dist")), site)
    for script in GUEST.glob("*.py"):
        shutil.copy(script, folder)
    try:
        write_golden(folder / "golden")
    except UnavailableError as error:
        pytest.skip(f"{error}: {error.hint}")
    here(folder, "-m edge_emo demo --seconds 6 --json --sink record:session?raw=true")
    return folder


def here(files: Path, command: str) -> str:
    """Run Python on this machine as the guest does: in the folder, with its wheel."""
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=files, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{files}{os.pathsep}{files / 'site'}"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def there(files: Path, board: Board, steps: Mapping[str, str]) -> dict[str, Step]:
    return run_job(image.ensure_image(), board, steps, files, BOX_S)


@pytest.fixture(scope="module")
def devices(files: Path) -> dict[str, Step]:
    return there(files, VIRT, DEVICES)


def openvino() -> str:
    """Options for two packages and one clip: emulated, OpenVINO compiles for half a minute each."""
    some = " ".join(f"--package {find_package(name).id}" for name in ("voice", "eeg"))
    return f"--backend openvino --clips 1 --suffix model.onnx {some}"


@pytest.fixture(scope="module")
def parity(files: Path) -> dict[str, Step]:
    """What the packages say on two machines at once, one for each core of a small computer."""
    jobs = (
        {"litert": f"python3 {SAID} litert"},
        {
            "onnx": f"python3 {SAID} onnx",
            "openvino": f"python3 estimate.py golden {openvino()}",
        },
    )
    with ThreadPoolExecutor() as pool:
        done = pool.map(lambda steps: there(files, VIRT, steps), jobs)
    return {name: step for steps in done for name, step in steps.items()}


@pytest.fixture(scope="module")
def pi(files: Path) -> dict[str, Step]:
    heat = "cat /sys/class/thermal/thermal_zone0/type"
    return there(files, RASPI3B, {**DOCTOR, "heat": heat})


def out(steps: Mapping[str, Step], name: str) -> str:
    """Return what a step printed, after making sure that it came to a good end."""
    assert name in steps, f"the machine did not come so far: {steps}"
    step = steps[name]
    assert step.code == 0, f"{name} ended with {step.code}: {step.out[-2000:]} {step.err}"
    return step.out


def lines(text: str) -> list[Json]:
    return [json.loads(line) for line in text.splitlines()]


def found(steps: Mapping[str, Step]) -> dict[str, Json]:
    return {f"{row['part']} {row['name']}": row for row in lines(out(steps, "doctor"))}


def test_doctor_finds_the_backends_devices_and_packages(devices: dict[str, Step]) -> None:
    rows = found(devices)
    assert rows["system platform"]["detail"].startswith("Linux aarch64, Python 3.11")
    assert "target rpi" in rows["system board"]["detail"]
    needed = [f"backend {name}" for name in ("litert", "onnx", "openvino")]
    needed += [f"model {package.id}" for package in list_packages()]
    needed += ["driver camera.opencv", "driver microphone.portaudio", "driver physio.bridge"]
    assert [name for name in needed if not rows[name]["works"]] == []
    assert "its wheel holds no Linux aarch64 library" in rows["driver eeg.brainflow"]["hint"]


def test_the_camera_gives_its_picture_in_rgb_and_its_loss_is_noticed(
    devices: dict[str, Step],
) -> None:
    said = json.loads(out(devices, "camera"))
    assert said["found"] == ["opencv:0"]
    assert "vivid" in said["device"]
    assert said["size"] == [360, 640, 3]
    assert said["seq"] == sorted(set(said["seq"]))
    assert said["t_ns"] == sorted(said["t_ns"])
    shown = [COLOURS[tuple(int(value > 95) for value in bar)] for bar in said["bars"]]
    assert shown == BARS
    assert said["lost"] == "DeviceLostError"
    assert said["hint"]


def test_every_sample_of_the_sound_card_arrives_as_it_was_played(devices: dict[str, Step]) -> None:
    said = json.loads(out(devices, "sound"))
    assert "Loopback" in said["device"]
    assert said["rate_hz"] == 16000.0
    assert (said["same"], said["dropped"]) == (said["played"], 0)
    block = 1600
    assert said["seconds"] == pytest.approx(said["last_seq"] / said["rate_hz"], abs=0.5)
    assert said["last_seq"] % block == 0


def test_the_voice_is_estimated_from_the_sound_card(devices: dict[str, Step]) -> None:
    state = json.loads(out(devices, "voice"))
    voice = state["by_modality"]["voice"]
    assert voice["model_id"] == find_package("voice").id
    assert sum(voice["posterior"].values()) == pytest.approx(1.0)
    assert state["health"]["microphone"]["valid"]


def test_the_demonstration_runs_live(devices: dict[str, Step]) -> None:
    state = json.loads(out(devices, "demo"))
    assert set(state["health"]) == {"camera", "microphone", "eeg"}
    assert set(state["by_modality"]) & {"face", "voice", "eeg"}


def test_the_recorded_demonstration_gives_the_states_of_this_machine(
    files: Path, devices: dict[str, Step], tell: Tell
) -> None:
    ours = lines(here(files, "-m edge_emo replay session --json"))
    theirs = lines(out(devices, "replay"))
    assert [state["t_ns"] for state in theirs] == [state["t_ns"] for state in ours]
    apart = [unlike(one, other) for one, other in zip(ours, theirs, strict=True)]
    assert {name for state in ours for name in state["by_modality"]} == {"face", "voice", "eeg"}
    assert max(apart) <= TOLERANCE
    tell(f"replay of the demonstration: {len(ours)} states, widest difference {max(apart):.1e}")


def unlike(one: Json, other: Json) -> float:
    """Return how far two states are apart; 1 when a label differs."""
    pairs = [(one["expressed"], other["expressed"]), (one["felt"], other["felt"])]
    assert one["by_modality"].keys() == other["by_modality"].keys()
    pairs += [(one["by_modality"][name], other["by_modality"][name]) for name in one["by_modality"]]
    return max(distance(mine, yours) for mine, yours in pairs)


def distance(mine: Json | None, yours: Json | None) -> float:
    if mine is None or yours is None:
        return float(mine is not yours)
    if mine.get("label") != yours.get("label"):
        return 1.0
    ours, theirs = mine["posterior"] or {}, yours["posterior"] or {}
    assert ours.keys() == theirs.keys()
    return max((abs(ours[name] - theirs[name]) for name in ours), default=0.0)


@pytest.fixture(scope="module")
def said_here(files: Path) -> Callable[[str], Rows]:
    return lambda options: read_rows(here(files, f"estimate.py golden {options}"))


@pytest.mark.parametrize("backend", ["litert", "onnx"])
def test_every_package_estimates_as_on_this_machine(
    backend: str, parity: dict[str, Step], said_here: Callable[[str], Rows], tell: Tell
) -> None:
    ours, theirs = said_here(f"--backend {backend}"), read_rows(out(parity, backend))
    answered = [key[0] for key, row in ours.items() if row.get("posterior") or row.get("faces")]
    assert {package.id for package in list_packages()} == set(answered)
    assert differences(ours, theirs) == []
    tell("\n".join(figures(ours, theirs)))


def test_openvino_estimates_as_on_this_machine(
    parity: dict[str, Step], said_here: Callable[[str], Rows], tell: Tell
) -> None:
    ours, theirs = said_here(openvino()), read_rows(out(parity, "openvino"))
    assert len([row for row in ours.values() if row.get("posterior")]) == 2
    assert differences(ours, theirs) == []
    tell("\n".join(figures(ours, theirs)))


def test_the_raspberry_pi_is_recognised(pi: dict[str, Step]) -> None:
    rows = found(pi)
    assert rows["system board"]["detail"] == ("Raspberry Pi 3 Model B (brcm,bcm2837), target rpi")
    assert rows["backend litert"]["works"]
    assert all(rows[f"model {package.id}"]["works"] for package in list_packages())
    assert out(pi, "heat") == "cpu-thermal"
