from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from edge_emo import registry
from edge_emo.errors import ConfigError, UnavailableError
from edge_emo.registry import BACKENDS, DRIVERS, SINKS, Address, Table, construct


@pytest.mark.parametrize(
    ("text", "name", "rest", "options"),
    [
        ("opencv:0", "opencv", "0", {}),
        ("virtual:?seed=7", "virtual", "", {"seed": "7"}),
        ("wav:a b.wav?loop=true&block_s=0.1", "wav", "a b.wav", {"loop": "true", "block_s": "0.1"}),
        ("opencv:http://h/v?flag", "opencv", "http://h/v?flag", {}),
        ("mqtt://h:1883/a/b?wait=true", "mqtt", "//h:1883/a/b", {"wait": "true"}),
        ("cyton:/dev/ttyUSB0", "cyton", "/dev/ttyUSB0", {}),
    ],
)
def test_an_address_reads_as_it_is_written(
    text: str, name: str, rest: str, options: dict[str, str]
) -> None:
    address = Address.parse(text)
    assert (address.name, address.rest, dict(address.options)) == (name, rest, options)
    assert str(address) == text


@pytest.mark.parametrize("text", ["0", "", ":0", "wav:x?loop", "a b:0"])
def test_a_wrong_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        Address.parse(text)


def test_an_option_without_a_value_is_named_and_what_may_hold_a_password_is_not() -> None:
    with pytest.raises(ConfigError, match="'loop' of address x: has no value") as caught:
        Address.parse("x:me:sesame@host?loop")
    assert "sesame" not in str(caught.value)


class Device:
    def __init__(
        self,
        target: str,
        *,
        rate_hz: float = 1.0,
        loop: bool = False,
        seed: int | None = None,
        file: Path | None = None,
    ) -> None:
        self.values = (target, rate_hz, loop, seed, file)


def test_options_are_converted_to_the_types_of_their_parameters() -> None:
    device = construct(Device, Address.parse("x:here?rate_hz=2&loop=yes&seed=3&file=a/b"))
    assert device.values == ("here", 2.0, True, 3, Path("a/b"))


class Heir(Device):
    """Inherits its constructor."""


def test_an_inherited_constructor_is_understood() -> None:
    assert construct(Heir, Address.parse("x:?seed=4")).values[3] == 4


def test_an_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no option 'speed'") as caught:
        construct(Device, Address.parse("x:?speed=1"))
    assert caught.value.hint == "its options: rate_hz, loop, seed, file"


def test_a_value_of_the_wrong_type_is_named() -> None:
    with pytest.raises(ConfigError, match=r"x:\?seed = 'many' is not a valid int"):
        construct(Device, Address.parse("x:?seed=many"))


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_a_number_that_is_not_finite_is_no_number(value: str) -> None:
    with pytest.raises(ConfigError, match=r"x:\?rate_hz = .* is not a valid float"):
        construct(Device, Address.parse(f"x:?rate_hz={value}"))


def test_a_url_keeps_its_own_query() -> None:
    camera = DRIVERS.load("camera.opencv")
    address = Address.parse("opencv:http://127.0.0.1:9/video?user=me&timeout_s=0.5")
    adopted = camera.adopt(address)
    assert adopted.rest == "http://127.0.0.1:9/video?user=me"
    assert dict(adopted.options) == {"timeout_s": "0.5"}
    assert construct(camera, address).kind == "camera"


@pytest.mark.parametrize("table", [DRIVERS, BACKENDS, SINKS])
def test_every_row_of_every_table_can_be_loaded(table: Table) -> None:
    for name in table.names():
        assert callable(table.load(name))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'eeg\.toaster'") as caught:
        DRIVERS.load("eeg.toaster")
    assert "eeg.cyton" in caught.value.hint


@pytest.mark.parametrize(
    "raised", ["OSError('libtoaster.so.2')", "ValueError('dtype size')", "no_name", "("]
)
def test_a_plugin_that_does_not_load_says_so_whatever_it_raises(
    raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toaster_lib.py").write_text(f"raise {raised}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    point = EntryPoint("eeg.toaster", "toaster_lib:Eeg", "edge_emo.drivers")
    monkeypatch.setattr(registry, "_entry_points", lambda group: (point,))
    with pytest.raises(UnavailableError, match=r"'eeg\.toaster' \(toaster_lib:Eeg\)"):
        DRIVERS.load("eeg.toaster")


class Vendored:
    """As a plug-in's author may write it: one option without a type, one of a vendor's."""

    def __init__(
        self,
        target: str = "",
        rate_hz=100.0,  # type: ignore[no-untyped-def]
        port: Serial | None = None,  # type: ignore[name-defined]  # noqa: F821 - what is tested
        kind: registry.Missing = 0,  # type: ignore[name-defined]  # what is tested
        seed: int = 0,
    ) -> None:
        self.values = (target, rate_hz, port, seed)


def test_options_that_no_address_can_give_do_not_hinder_the_others() -> None:
    assert construct(Vendored, Address.parse("x:here")).values == ("here", 100.0, None, 0)
    assert construct(Vendored, Address.parse("x:?seed=3")).values == ("", 100.0, None, 3)
    for option in ("rate_hz", "port", "kind"):
        with pytest.raises(ConfigError, match=f"{option} cannot be written in an address"):
            construct(Vendored, Address.parse(f"x:?{option}=3"))
