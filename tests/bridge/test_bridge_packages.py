"""The library builds wherever it says it does, and what is generated is up to date."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from bridge.c_library import ROOT, SOURCE, STRICT

from edge_emo.bridge.framing import PAYLOAD_MAX_BYTES

FIRMWARE = ROOT / "firmware_bridge"
SKETCHES = sorted((FIRMWARE / "examples" / "arduino").glob("*/*.ino"))
STANDINS = Path(__file__).parent / "arduino"
AVR_CORE = Path("/usr/share/arduino/hardware/arduino/avr")
NANOPB = "nanopb-0.4.7"
SKETCH = ("-std=gnu++11", "-Wall", "-Wextra", "-Os", "-x", "c++", f"-I{SOURCE}", f"-I{STANDINS}")


def needs(*programs: str, packages: str) -> pytest.MarkDecorator:
    absent = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(
        bool(absent),
        reason=f"needs {', '.join(absent)}: sudo apt-get install {packages}",
    )


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=100, cwd=cwd
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs("g++", packages="g++")
def test_it_is_usable_from_cpp(tmp_path: Path) -> None:
    program = tmp_path / "use.cpp"
    program.write_text(
        '#include "edge_emo_bridge.h"\n'
        "int main() {\n"
        "    ee_bridge bridge;\n"
        "    const ee_transport transport = {nullptr, nullptr, nullptr};\n"
        "    const ee_handlers handlers = {nullptr, nullptr, nullptr, nullptr};\n"
        '    const ee_identity identity = {"b", "1", "", nullptr, 0};\n'
        "    ee_bridge_init(&bridge, &transport, &handlers, &identity);\n"
        "    return ee_bridge_wants(&bridge, 0) ? 1 : 0;\n"
        "}\n"
    )
    objects = []
    for source in SOURCE.glob("*.c"):
        objects.append(tmp_path / f"{source.stem}.o")
        run("gcc", *STRICT, "-c", source, "-o", objects[-1])
    flags = ("-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{SOURCE}")
    run("g++", *flags, program, *objects, "-o", tmp_path / "use")
    run(tmp_path / "use")


@needs("clang", packages="clang")
def test_clang_finds_nothing_either(tmp_path: Path) -> None:
    for source in SOURCE.glob("edge_emo*.c"):
        run("clang", *STRICT, "-c", source, "-o", tmp_path / "x.o")


@needs("cmake", "make", packages="cmake make gcc")
def test_cmake_builds_it(tmp_path: Path) -> None:
    run("cmake", "-S", FIRMWARE / "c", "-B", tmp_path, "-DCMAKE_BUILD_TYPE=MinSizeRel")
    run("cmake", "--build", tmp_path)
    assert (tmp_path / "libedge_emo_bridge.a").exists()


@needs("avr-gcc", packages="gcc-avr avr-libc")
def test_it_compiles_for_an_8_bit_board(tmp_path: Path) -> None:
    for source in SOURCE.glob("*.c"):
        run("avr-gcc", "-mmcu=atmega2560", "-Os", *STRICT, "-c", source, "-o", tmp_path / "x.o")


@needs("avr-g++", packages="gcc-avr avr-libc arduino-core-avr")
@pytest.mark.skipif(
    not AVR_CORE.exists(), reason="needs sudo apt-get install arduino-core-avr gcc-avr avr-libc"
)
@pytest.mark.parametrize("sketch", SKETCHES, ids=lambda path: path.stem)
def test_sketches_compile_for_an_arduino_mega(sketch: Path, tmp_path: Path) -> None:
    core = (AVR_CORE / "cores/arduino", AVR_CORE / "variants/mega", AVR_CORE / "libraries/Wire/src")
    run(
        "avr-g++", "-mmcu=atmega2560", "-DF_CPU=16000000L", "-DARDUINO=10819", "-DARDUINO_ARCH_AVR",
        *SKETCH, *(f"-I{folder}" for folder in core), "-c", sketch, "-o", tmp_path / "sketch.o",
    )  # fmt: skip


@needs("arm-none-eabi-g++", packages="gcc-arm-none-eabi libnewlib-arm-none-eabi")
@pytest.mark.parametrize("sketch", SKETCHES, ids=lambda path: path.stem)
def test_sketches_compile_for_a_cortex_m0plus(sketch: Path, tmp_path: Path) -> None:
    """As an RP2040 has; its Arduino core is not in Debian, so the headers are stand-ins."""
    run(
        "arm-none-eabi-g++", "-mcpu=cortex-m0plus", "-mthumb", "-Werror", *SKETCH,
        f"-I{STANDINS / 'core'}", "-c", sketch, "-o", tmp_path / "sketch.o",
    )  # fmt: skip


@needs("clang-format", packages="clang-format")
def test_c_is_formatted() -> None:
    ours = [
        path
        for folder in ("c", "examples/mps2-an385")
        for path in sorted((FIRMWARE / folder).rglob("*.[ch]"))
        if not path.name.startswith(("pb", "edge_emo.pb"))
    ]
    assert len(ours) > 6
    run("clang-format", "--dry-run", "--Werror", *ours)


@needs("protoc", "protoc-gen-nanopb", packages="protobuf-compiler nanopb")
def test_generated_code_is_up_to_date(tmp_path: Path) -> None:
    run(FIRMWARE / "generate.sh", tmp_path, tmp_path / "edge_emo.desc")
    for name in ("edge_emo.pb.c", "edge_emo.pb.h"):
        made = (tmp_path / name).read_text()
        if NANOPB in made:
            assert made == (SOURCE / name).read_text(), "run firmware_bridge/generate.sh"
    made_desc = (tmp_path / "edge_emo.desc").read_bytes()
    assert made_desc == (ROOT / "edge_emo/bridge/edge_emo.desc").read_bytes()


def test_every_message_but_samples_fits_a_frame_whatever_it_says() -> None:
    """Samples fit by count: test_the_longest_samples_fit_a_frame."""
    text = (SOURCE / "edge_emo.pb.h").read_text()
    sizes = dict(re.findall(r"#define edge_emo_(\w+)_size +(\d+)", text))
    envelope = 3
    longest = {name: int(n) + envelope for name, n in sizes.items() if name != "Message"}
    too_long = {name for name, length in longest.items() if length > PAYLOAD_MAX_BYTES}
    assert too_long == {"Samples"}


def test_packages_name_one_version() -> None:
    properties = (FIRMWARE / "c/library.properties").read_text()
    version = json.loads((FIRMWARE / "c/library.json").read_text())["version"]
    assert f"version={version}\n" in properties
    assert f"VERSION {version} " in (FIRMWARE / "c/CMakeLists.txt").read_text()


def test_licences_travel_with_the_library() -> None:
    assert (FIRMWARE / "c/LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert "zlib" in (FIRMWARE / "README.md").read_text()
    assert "Petteri Aimonen" in (SOURCE / "LICENSE.nanopb.txt").read_text()
