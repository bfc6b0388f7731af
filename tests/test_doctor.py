from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_emo.doctor import examine_model
from edge_emo.manifest import find_package, read_package


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "model.tflite"),
        ("model.tflite", "model.tflite"),
        ("model.toml", "package.sig does not hold"),
        ("package.sig", "is not signed"),
    ],
)
def test_a_damaged_package_does_not_work(tmp_path: Path, name: str, words: str) -> None:
    folder = tmp_path / "eeg-load-small"
    shutil.copytree(find_package("eeg").folder, folder)
    if name == "package.sig":
        (folder / name).unlink()
    elif name:
        with (folder / name).open("ab") as file:
            file.write(b"\n")
    found = examine_model(read_package(folder))
    assert (found.part, found.name, found.works) == ("model", "eeg-load-small", not name)
    assert words in found.detail
    assert bool(found.hint) == bool(name)
