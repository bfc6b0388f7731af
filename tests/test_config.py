from __future__ import annotations

from pathlib import Path

import pytest

from edge_emo.config import Config, Faces, parse_config, read_config
from edge_emo.errors import ConfigError


def test_an_empty_file_is_the_default_configuration() -> None:
    assert parse_config("") == Config()


def test_every_section_is_read(tmp_path: Path) -> None:
    path = tmp_path / "kiosk.toml"
    path.write_text(
        'sinks = ["console:"]\n[streams]\ncamera = "opencv:0"\n[models]\nthreads = 2\n'
        'license_policy = "commercial"\n[states]\nrate_hz = 5\njoin = "reproducible"\n'
        "[fusion]\nmargin = 0.2\n[fusion.lifetime_s]\nface = 1.5\n"
        '[face]\npolicy = "largest"\nestimate = "all"\ndetect_interval_s = 0.3\nkeep_s = 2\n'
    )
    config = read_config(path)
    assert config.streams.camera == "opencv:0"
    assert config.models.threads == 2
    assert config.models.license_policy == "commercial"
    assert config.states.rate_hz == 5.0
    assert config.fusion.lifetime_s == {"face": 1.5}
    assert config.face == Faces("largest", "all", detect_interval_s=0.3, keep_s=2.0)
    assert config.sinks == ("console:",)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[stream]\ncamera = 'x:'", "kiosk.toml: unknown key stream", "streams"),
        ("[streams]\ncamra = 'x:'", "kiosk.toml: unknown key streams.camra", "streams.camera"),
        ("[streams]\ncamera = 0", "streams.camera = 0 must be text", ""),
        ("[states]\njoin = 'later'", "states.join = 'later' is not one of", ""),
        ("[states]\nwait_for_devices = 1", "must be true or false", ""),
        ("[models]\nthreads = 0", "models.threads = 0 must be a whole number above 0", ""),
        ("[models]\nfolders = 'x'", "models.folders = 'x' must be a list of texts", ""),
        ("[face]\nestimate = 'some'", "face.estimate = 'some' is not one of", ""),
        ("[face]\nkeep = 2", "kiosk.toml: unknown key face.keep", "face.keep_s"),
        ("streams = 3", "streams must be a table", ""),
        ("[fusion.lifetime_s]\nface = 'long'", "must be a table of numbers", ""),
        ("[states]\nrate_hz = inf", "states.rate_hz = inf must be a finite number", ""),
        ("[fusion.reliability]\nface = nan", "must be a table of numbers", ""),
        (f"[states]\nrate_hz = 1{'0' * 400}", "must be a finite number", ""),
        (f"[states]\nrate_hz = 1{'0' * 5000}", "kiosk.toml is not valid TOML", ""),
        ("sinks = " + "[" * 100_000, "kiosk.toml is not valid TOML", ""),
        ("[streams", "kiosk.toml is not valid TOML", ""),
    ],
)
def test_a_wrong_file_names_file_and_key(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "kiosk.toml")
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        read_config(tmp_path / "absent.toml")
