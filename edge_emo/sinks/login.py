"""Name and password of a service: from the environment, or from a file that nobody else reads."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_emo.errors import ConfigError
from edge_emo.files import open_regular
from edge_emo.vendor import toml


@dataclass(frozen=True, slots=True)
class Login:
    """Who one is to a service.

    Attributes:
        username: The name.
        password: Never shown; None where the service asks for none.
    """

    username: str
    password: str | None = field(default=None, repr=False)


def read_login(prefix: str, file: Path | None) -> Login | None:
    """Return the login of the file, else of the environment; None when there is none.

    Args:
        prefix: ``PREFIX_USERNAME`` and ``PREFIX_PASSWORD`` are the variables.
        file: A TOML file with ``username`` and ``password``.

    Raises:
        ConfigError: The file cannot be read, is open to others or holds something else, or there
            is a password without a name. No message holds what was read.
    """
    if file is not None:
        return _checked(_values(file), str(file))
    known = {key: os.environ.get(f"{prefix}_{key.upper()}") for key in ("username", "password")}
    given = {key: value for key, value in known.items() if value is not None}
    return _checked(given, f"{prefix}_USERNAME") if given else None


def _checked(given: dict[str, Any], where: str) -> Login:
    username, password = given.pop("username", ""), given.pop("password", None)
    if not _is_text(username) or not (password is None or _is_text(password)):
        raise ConfigError(f"{where}: username and password are texts in UTF-8")
    if not username or given:
        raise ConfigError(f"{where} must hold username, and may hold password", hint=_EXAMPLE)
    return Login(username, password)


def _is_text(value: object) -> bool:
    try:
        str(value).encode()
    except UnicodeEncodeError:  # from the environment, in another encoding
        return False
    return isinstance(value, str)


_EXAMPLE = 'two lines: username = "…" and password = "…"'


def _values(file: Path) -> dict[str, Any]:
    try:
        text = _read(file).decode()
        values: dict[str, Any] = toml().loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read the login {file}: {error.strerror}") from error
    except (UnicodeDecodeError, toml().TOMLDecodeError):  # it says what stands there
        raise ConfigError(f"{file} is no TOML", hint=_EXAMPLE) from None
    return values


def _read(file: Path) -> bytes:
    with open_regular(file) as opened:
        _check_private(os.fstat(opened.fileno()), file)
        return opened.read()


def _check_private(status: os.stat_result, file: Path) -> None:
    if status.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"the login {file} belongs to another user", hint=f"chown $USER {file}")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigError(f"others may read the login {file}", hint=f"chmod 600 {file}")
