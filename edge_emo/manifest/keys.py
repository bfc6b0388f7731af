"""Ed25519 keys: made, written, read, and the public ones that ship with edge_emo.

Files are PEM, as other tools read them: PKCS 8 for a private key, SubjectPublicKeyInfo for a
public one. ``cryptography`` does the arithmetic and is imported when the first key is used.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from edge_emo.errors import ConfigError
from edge_emo.vendor import load

_ASSETS = Path(__file__).resolve().parents[1] / "assets" / "keys"
# An Ed25519 key has this one form (RFC 8410): what parses keys of every sort is slow to import.
_PUBLIC_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----(.+?)-----END PUBLIC KEY-----", re.DOTALL)
_PUBLIC_DER = bytes.fromhex("302a300506032b6570032100")
_NEW = "name a file that does not exist, where there is room"
_KEYGEN = "make a pair of keys: edge-emo models keygen FILE"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What verifies signatures.

    Attributes:
        id: The first 16 hexadecimal digits of the SHA-256 of the raw key.
        source: The file that it was read from.
        key: ``cryptography``'s key.
    """

    id: str
    source: Path
    key: Any = field(repr=False, compare=False)

    def accepts(self, signature: bytes, content: bytes) -> bool:
        """Tell whether this key's owner signed the content."""
        invalid = load("cryptography.exceptions").InvalidSignature
        try:
            self.key.verify(signature, content)
        except invalid:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """What signs.

    Attributes:
        id: The id of its public key.
        key: ``cryptography``'s key.
    """

    id: str
    key: Any = field(repr=False, compare=False)

    def sign(self, content: bytes) -> bytes:
        """Return the signature of the content, 64 bytes; the same content gives the same."""
        signature: bytes = self.key.sign(content)
        return signature


def shipped_keys() -> tuple[PublicKey, ...]:
    """Return the public keys that the packages of this project are signed with."""
    return tuple(read_public_key(path) for path in sorted(_ASSETS.glob("*.pub")))


def read_keys(paths: Sequence[str | Path]) -> tuple[PublicKey, ...]:
    """Read public keys of the user's own.

    Raises:
        ConfigError: A file is missing or holds no Ed25519 public key.
    """
    return tuple(read_public_key(path) for path in paths)


def read_public_key(path: str | Path) -> PublicKey:
    """Read a public key.

    Raises:
        ConfigError: The file is missing or holds no Ed25519 public key.
    """
    found = _PUBLIC_PEM.search(_content(path))
    with contextlib.suppress(ValueError, _unsupported()):
        der = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
        if der.startswith(_PUBLIC_DER):
            raw = der.removeprefix(_PUBLIC_DER)
            key = _ed25519().Ed25519PublicKey.from_public_bytes(raw)
            return PublicKey(_key_id(key), Path(path), key)
    raise ConfigError(f"{path} holds no Ed25519 public key", hint=_KEYGEN)


def read_private_key(path: str | Path) -> PrivateKey:
    """Read a private key.

    Raises:
        ConfigError: The file is missing or holds no Ed25519 private key in the clear.
    """
    content, serial, ed25519 = _content(path), _serialization(), _ed25519()
    with contextlib.suppress(ValueError, TypeError, _unsupported()):
        key = serial.load_pem_private_key(content, password=None)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return PrivateKey(_key_id(key.public_key()), key)
    raise ConfigError(f"{path} holds no Ed25519 private key without a password", hint=_KEYGEN)


def write_key_pair(path: Path) -> PublicKey:
    """Make a pair of keys: ``path``, readable by its owner only, and ``path`` + ``.pub``.

    Raises:
        ConfigError: One of the files exists already, or cannot be written.
    """
    if not path.name:
        raise ConfigError(f"{path} is no file", hint=_NEW)
    key, serial = _ed25519().Ed25519PrivateKey.generate(), _serialization()
    private = key.private_bytes(
        serial.Encoding.PEM, serial.PrivateFormat.PKCS8, serial.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serial.Encoding.PEM, serial.PublicFormat.SubjectPublicKeyInfo
    )
    beside = path.with_name(path.name + ".pub")
    if beside.exists():  # then nothing is written, not even the private half
        raise ConfigError(f"{beside} cannot be written: File exists", hint=_NEW)
    for file, content, mode in ((path, private, 0o600), (beside, public, 0o644)):
        _write_new(file, content, mode)
    return read_public_key(beside)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with contextlib.ExitStack() as undo:
            undo.callback(path.unlink, missing_ok=True)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            undo.pop_all()
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", hint=_NEW) from error


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"key {path} cannot be read: {error.strerror}", hint=_KEYGEN) from error


def _key_id(key: Any) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _serialization() -> ModuleType:
    return load("cryptography.hazmat.primitives.serialization")


def _ed25519() -> ModuleType:
    return load("cryptography.hazmat.primitives.asymmetric.ed25519")


def _unsupported() -> type[Exception]:
    error: type[Exception] = load("cryptography.exceptions").UnsupportedAlgorithm
    return error
