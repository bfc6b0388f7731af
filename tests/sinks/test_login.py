"""A login is read from where no other user sees it, and shown nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_emo.errors import ConfigError
from edge_emo.sinks.login import Login, read_login
from tests.fakes.irregular import IRREGULAR, Make

SECRET = "sesame"


@pytest.fixture(autouse=True)
def _no_login_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("X_USERNAME", "X_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def a_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "login.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_without_any_there_is_none() -> None:
    assert read_login("X", None) is None


def test_a_file_counts_more_than_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X_USERNAME", "other")
    file = a_file(tmp_path, f'username = "me"\npassword = "{SECRET}"\n')
    assert read_login("X", file) == Login("me", SECRET)
    assert read_login("X", None) == Login("other", None)


def test_a_login_does_not_show_its_password() -> None:
    assert SECRET not in repr(Login("me", SECRET))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    file = a_file(tmp_path, f'username = "me"\npassword = "{SECRET}"\n', mode)
    with pytest.raises(ConfigError, match="others may read") as caught:
        read_login("X", file)
    assert caught.value.hint == f"chmod 600 {file}"


@pytest.mark.parametrize(
    "text",
    [
        f"me:{SECRET}",
        f'password = "{SECRET}"',
        f'username = ""\npassword = "{SECRET}"',
        f'username = "me"\npasswort = "{SECRET}"',
        f'username = 1\npassword = "{SECRET}"',
        f'username = "me"\npassword = ["{SECRET}"]',
    ],
)
def test_a_file_with_something_else_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"login\.toml") as caught:
        read_login("X", a_file(tmp_path, text))
    assert SECRET not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("make", IRREGULAR)
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "login.toml")
    with pytest.raises(ConfigError, match=r"login\.toml: not a regular file"):
        read_login("X", tmp_path / "login.toml")


@pytest.mark.parametrize("name", ["X_USERNAME", "X_PASSWORD"])
def test_what_is_no_text_is_refused_and_none_of_it_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("X_USERNAME", "me")
    monkeypatch.setenv(name, os.fsdecode(b"ses\xe4me"))
    with pytest.raises(ConfigError, match="are texts in UTF-8") as caught:
        read_login("X", None)
    assert "e4" not in str(caught.value) + caught.value.hint


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the login .*No such file"):
        read_login("X", tmp_path / "absent")


def test_a_password_without_a_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_PASSWORD", SECRET)
    with pytest.raises(ConfigError, match="X_USERNAME"):
        read_login("X", None)
