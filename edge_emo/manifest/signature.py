"""The signature of a package: ``package.sig`` lists every file's SHA-256 and is signed as a whole.

::

    edge_emo package signature 1
    package face-expression-small
    sha256 9f86d081…0f00a08  card.md
    sha256 60303ae2…a7ae6c7  model.toml
    key 3b6a27bcceb6a42d
    signature dW5mb3J0dW5hdGVseSBub3QgYSByZWFsIG9uZQ==

The signature is Ed25519 over all bytes before the line ``signature``. Before a package is used,
the signature and the SHA-256 of ``model.toml`` are checked; its compiled files are then checked
against ``model.toml`` as they are loaded. :func:`verify_package` checks every file at once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_emo.errors import ConfigError, ModelIntegrityError, ModelSignatureError
from edge_emo.files import read_regular, write_whole
from edge_emo.manifest.keys import PrivateKey, PublicKey, read_keys, shipped_keys
from edge_emo.manifest.values import MANIFEST, REINSTALL, ModelPackage

SIGNATURE = "package.sig"
SIGNATURE_POLICIES = ("required", "if-signed", "off")
_FIRST = "edge_emo package signature 1"
_LINE = re.compile(r"sha256 ([0-9a-f]{64})  (\S+)")
_SIGN = "sign it: edge-emo models sign FOLDER --key FILE"
_TRUST = (
    "put the file of the signer's public key into [models] trusted_keys, or, to use it all the "
    "same, set [models] signatures = 'off'"
)


@dataclass(frozen=True, slots=True)
class Signatures:
    """Which packages may be used.

    Attributes:
        policy: ``required``: only packages that a trusted key has signed. ``if-signed``: also
            those that nobody signed; a signature that is there must hold, but whoever can alter
            a package can also take its signature away. ``off``: all.
        trusted_keys: Files of public keys that are trusted besides those that ship.
    """

    policy: str = "required"
    trusted_keys: tuple[str, ...] = ()

    def check(self, package: ModelPackage) -> None:
        """Refuse a package that the policy does not allow.

        Raises:
            ConfigError: There is no such policy, or a key's file cannot be read.
            ModelSignatureError: The package is not signed, or not by a trusted key.
            ModelIntegrityError: The signature, or ``model.toml``, was altered.
        """
        if self.policy not in SIGNATURE_POLICIES:
            raise ConfigError(
                f"signatures = {self.policy!r} is unknown",
                hint=f"choose from: {', '.join(SIGNATURE_POLICIES)}",
            )
        signed = (package.folder / SIGNATURE).exists()
        if self.policy == "off" or (self.policy == "if-signed" and not signed):
            return
        digests = _signed_digests(package.folder, self.keys())
        _check_digest(package.folder, MANIFEST, digests)
        if package.digest != digests[MANIFEST]:
            raise _altered(package.folder, f"{MANIFEST} was another one when it was read")

    def keys(self) -> tuple[PublicKey, ...]:
        """Return every trusted key.

        Raises:
            ConfigError: A key's file cannot be read.
        """
        return (*shipped_keys(), *read_keys(self.trusted_keys))


def verify_package(folder: Path, keys: Sequence[PublicKey]) -> None:
    """Check the signature and every file of a package's folder.

    Args:
        folder: The package.
        keys: Trusted public keys.

    Raises:
        ModelSignatureError: It is not signed, or by none of the keys.
        ModelIntegrityError: Something was altered, taken away or added.
    """
    digests = _signed_digests(folder, keys)
    for name in sorted({*digests, *_names(folder)}):
        _check_digest(folder, name, digests)


def sign_package(folder: Path, key: PrivateKey) -> None:
    """Sign every file of a package's folder as it is; the former signature is replaced.

    Raises:
        ModelIntegrityError: A file cannot be read, its name cannot be listed, or the folder
            cannot be written.
    """
    lines = [_FIRST, f"package {folder.resolve().name}"]
    for name in _names(folder):
        if not re.fullmatch(r"\S+", name):
            raise ModelIntegrityError(f"{folder}: a file is called {name!r}", hint="rename it")
        lines.append(f"sha256 {_readable(folder / name)}  {name}")
    content = "\n".join([*lines, f"key {key.id}", ""]).encode()
    signature = base64.b64encode(key.sign(content)).decode()
    _replace(folder / SIGNATURE, content + f"signature {signature}\n".encode())


def _signed_digests(folder: Path, keys: Sequence[PublicKey]) -> Mapping[str, str]:
    """Return the SHA-256 of each file as a trusted key has signed them."""
    content, signature, key_id = _parts(folder)
    trusted = [key for key in keys if key.id == key_id]
    if not trusted:
        raise ModelSignatureError(
            f"model package {folder.name} is signed with key {key_id}, which is not trusted",
            hint=_TRUST,
        )
    if not any(key.accepts(signature, content) for key in trusted):
        raise _altered(folder, "the signature does not belong to what it lists")
    lines = content.decode(errors="replace").splitlines()
    if lines[0] != _FIRST:
        raise _altered(folder, f"it begins with {lines[0]!r}: another edge_emo wrote it")
    if lines[1] != f"package {folder.resolve().name}":
        raise _altered(folder, f"the signature is of {lines[1]}")
    found = [_LINE.fullmatch(line) for line in lines]
    return {match[2]: match[1] for match in found if match}


def _parts(folder: Path) -> tuple[bytes, bytes, str]:
    """Return the signed bytes, the signature and the id of the key, none of them checked."""
    path = folder / SIGNATURE
    try:
        text = read_regular(path)
    except FileNotFoundError as error:
        raise ModelSignatureError(
            f"model package {folder.name} is not signed", hint=f"{_SIGN}; then {_TRUST}"
        ) from error
    except OSError as error:
        raise _altered(folder, f"it cannot be read: {error.strerror}") from error
    match = re.fullmatch(rb"(.*\nkey ([0-9a-f]{16})\n)signature (\S+)\n", text, re.DOTALL)
    try:
        signature = base64.b64decode(match[3], validate=True) if match else b""
    except binascii.Error:
        signature = b""
    if match is None or len(signature) != 64:
        raise _altered(folder, "it is no signature")
    return match[1], signature, match[2].decode()


def _check_digest(folder: Path, name: str, digests: Mapping[str, str]) -> None:
    if name not in digests:
        raise _altered(folder, f"{name} is not among the signed files")
    try:
        same = _sha256(folder / name) == digests[name]
    except OSError as error:
        raise _altered(folder, f"{name} cannot be read: {error.strerror}") from error
    if not same:
        raise _altered(folder, f"{name} is not what was signed")


def _names(folder: Path) -> list[str]:
    """Return what is in the folder but folders and the signature, forward slashes, sorted."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    names = (path.relative_to(folder).as_posix() for path in found)
    return sorted(name for name in names if name != SIGNATURE)


def _readable(path: Path) -> str:
    try:
        return _sha256(path)
    except OSError as error:
        raise ModelIntegrityError(
            f"{path} cannot be read: {error.strerror}", hint="remove it from the package's folder"
        ) from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_regular(path)).hexdigest()


def _altered(folder: Path, problem: str) -> ModelIntegrityError:
    return ModelIntegrityError(
        f"{folder / SIGNATURE} does not hold: {problem}",
        hint=f"{REINSTALL}; after a change of your own, {_SIGN}",
    )


def _replace(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content, 0o644)
    except OSError as error:
        raise ModelIntegrityError(
            f"{path} cannot be written: {error.strerror}", hint="make its folder writable"
        ) from error
