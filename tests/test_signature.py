from __future__ import annotations

import base64
import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from edge_emo.cli.app import main
from edge_emo.config import Config, Models
from edge_emo.errors import ConfigError, ModelIntegrityError, ModelSignatureError
from edge_emo.manifest import (
    SIGNATURE,
    ModelPackage,
    PrivateKey,
    PublicKey,
    Signatures,
    default_dirs,
    find_package,
    list_packages,
    read_keys,
    read_package,
    read_private_key,
    read_public_key,
    shipped_keys,
    sign_package,
    verify_package,
    write_key_pair,
)
from edge_emo.pipeline import Pipeline
from tests.fakes.irregular import IRREGULAR, Make, device, pipe

ROOT = Path(__file__).resolve().parents[1]
PHYSIO = "physio-stress-small"


@pytest.fixture
def public(tmp_path: Path) -> PublicKey:
    return write_key_pair(tmp_path / "own.key")


@pytest.fixture
def private(public: PublicKey, tmp_path: Path) -> PrivateKey:
    return read_private_key(tmp_path / "own.key")


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    """Return a copy of a shipped package, signed as it ships."""
    folder = tmp_path / "models" / PHYSIO
    shutil.copytree(default_dirs()[0] / PHYSIO, folder)
    return read_package(folder)


@pytest.mark.parametrize("shipped", list_packages(), ids=lambda package: package.id)
def test_every_shipped_package_is_signed_and_unaltered(shipped: ModelPackage) -> None:
    """After a change of models/: python tools/sign_models.py --key FILE."""
    verify_package(shipped.folder, shipped_keys())


def private_keys(root: Path) -> list[Path]:
    """Return the files below a folder that hold a private key in any form of PEM."""
    mark = re.compile(rb"-----BEGIN " + rb"(?:[A-Z0-9]+ )*PRIVATE KEY-----")
    files = (path for path in root.rglob("*") if path.is_file())
    return [path for path in files if mark.search(path.read_bytes())]


@pytest.mark.parametrize("folder", ["edge_emo", "models", "tests", "tools", "docs", "examples"])
def test_no_private_key_is_in_the_checkout(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert private_keys(ROOT / folder) == []


@pytest.mark.usefixtures("public")
def test_a_private_key_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    old = b" ".join([b"-----BEGIN", b"EC PRIVATE KEY-----"])  # a sum would be whole in the .pyc
    (tmp_path / "deep" / "old.pem").write_bytes(b"text before\n" + old)
    names = {path.name for path in private_keys(tmp_path)}
    assert names == {"own.key", "old.pem"}


@pytest.mark.parametrize("name", ["model.toml", "model.tflite", "card.md", "metrics.json"])
def test_an_altered_file_is_named(package: ModelPackage, name: str) -> None:
    path = package.folder / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ModelIntegrityError, match=f"{name} is not what was signed") as caught:
        verify_package(package.folder, shipped_keys())
    assert "edge-emo models sign" in caught.value.hint


def test_a_manifest_that_was_another_one_when_it_was_read_is_refused(package: ModelPackage) -> None:
    path = package.folder / "model.toml"
    signed = path.read_bytes()
    path.write_bytes(signed.replace(b"default = true", b"default = false"))
    read = read_package(package.folder)
    path.write_bytes(signed)
    with pytest.raises(ModelIntegrityError, match="another one when it was read"):
        Signatures().check(read)
    Signatures().check(package)


def test_a_file_added_or_taken_away_is_named(package: ModelPackage) -> None:
    (package.folder / "extra.tflite").write_bytes(b"x")
    with pytest.raises(ModelIntegrityError, match=r"extra\.tflite is not among the signed files"):
        verify_package(package.folder, shipped_keys())
    (package.folder / "extra.tflite").unlink()
    (package.folder / "card.md").unlink()
    with pytest.raises(ModelIntegrityError, match=r"card\.md cannot be read"):
        verify_package(package.folder, shipped_keys())


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda text: text.replace("card.md", "cart.md"), "does not belong to what it lists"),
        (lambda text: text.replace("signature 1", "signature 2"), "does not belong"),
        (lambda text: text.replace("==", "=A"), "is no signature"),
        (lambda text: text[:-20], "is no signature"),
        (lambda text: "", "is no signature"),
        (lambda text: text + "more\n", "is no signature"),
    ],
)
def test_an_altered_signature_is_refused(
    package: ModelPackage, harm: Callable[[str], str], words: str
) -> None:
    path = package.folder / SIGNATURE
    path.write_text(harm(path.read_text()))
    with pytest.raises(ModelIntegrityError, match=words):
        Signatures().check(package)


def test_the_signature_of_another_package_is_refused(package: ModelPackage) -> None:
    shutil.copy(default_dirs()[0] / "eeg-load-small" / SIGNATURE, package.folder)
    with pytest.raises(ModelIntegrityError, match="the signature is of package eeg-load-small"):
        Signatures().check(package)


def test_a_signature_of_a_later_form_is_named(
    package: ModelPackage, private: PrivateKey, public: PublicKey
) -> None:
    content = f"edge_emo package signature 2\npackage {PHYSIO}\nkey {private.id}\n".encode()
    signature = b"signature " + base64.b64encode(private.sign(content)) + b"\n"
    (package.folder / SIGNATURE).write_bytes(content + signature)
    with pytest.raises(ModelIntegrityError, match="signature 2': another edge_emo wrote it"):
        verify_package(package.folder, [public])


def test_who_nobody_trusts_may_not_sign(package: ModelPackage, private: PrivateKey) -> None:
    sign_package(package.folder, private)
    with pytest.raises(ModelSignatureError, match=f"key {private.id}, which is not trusted") as c:
        Signatures().check(package)
    assert "trusted_keys" in c.value.hint


def test_a_key_of_ones_own_can_be_trusted(
    package: ModelPackage, private: PrivateKey, public: PublicKey
) -> None:
    sign_package(package.folder, private)
    first = (package.folder / SIGNATURE).read_bytes()
    sign_package(package.folder, private)
    assert (package.folder / SIGNATURE).read_bytes() == first
    own = Signatures("required", (str(public.source),))
    own.check(package)
    verify_package(package.folder, own.keys())
    with pytest.raises(ModelSignatureError):
        verify_package(package.folder, shipped_keys())


@pytest.mark.parametrize(
    ("policy", "unsigned", "altered"),
    [
        ("required", ModelSignatureError, ModelIntegrityError),
        ("if-signed", None, ModelIntegrityError),
        ("off", None, None),
    ],
)
def test_the_policy_says_what_may_be_used(
    package: ModelPackage,
    policy: str,
    unsigned: type[Exception] | None,
    altered: type[Exception] | None,
) -> None:
    manifest = package.folder / "model.toml"
    manifest.write_text(manifest.read_text().replace("reliability = 0", "reliability = 1", 1))
    for error in (altered, unsigned):
        if error is None:
            Signatures(policy).check(package)
        else:
            with pytest.raises(error):
                Signatures(policy).check(package)
        (package.folder / SIGNATURE).unlink(missing_ok=True)


def test_an_unknown_policy_is_a_configuration_error(package: ModelPackage) -> None:
    with pytest.raises(ConfigError, match="'maybe' is unknown"):
        Signatures("maybe").check(package)


def test_a_session_refuses_an_unsigned_package_before_it_is_loaded(package: ModelPackage) -> None:
    (package.folder / SIGNATURE).unlink()
    (package.folder / "model.tflite").write_bytes(b"never parsed")
    (package.folder / "model.onnx").write_bytes(b"never parsed")
    models = Models(folders=(str(package.folder.parent),))
    with pytest.raises(ModelSignatureError, match=f"{PHYSIO} is not signed"):
        Pipeline(physio="virtual:", config=Config(models=models)).open()


def test_keys_are_never_overwritten_and_private_ones_are_private(
    public: PublicKey, tmp_path: Path
) -> None:
    path = tmp_path / "own.key"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="cannot be written: File exists"):
        write_key_pair(path)
    assert read_public_key(path.with_name("own.key.pub")).id == public.id
    path.unlink()
    with pytest.raises(ConfigError, match=r"own\.key\.pub cannot be written: File exists"):
        write_key_pair(path)
    assert not path.exists()
    with pytest.raises(ConfigError, match="is no file"):
        write_key_pair(Path())


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    other = X25519PrivateKey.generate()
    (tmp_path / "other.pub").write_bytes(
        other.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    (tmp_path / "text.pub").write_text("no key")
    for name in ("other.pub", "text.pub"):
        with pytest.raises(ConfigError, match="holds no Ed25519 public key") as caught:
            read_keys([tmp_path / name])
        assert "edge-emo models keygen" in caught.value.hint
        with pytest.raises(ConfigError, match="holds no Ed25519 private key"):
            read_private_key(tmp_path / name)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_keys([tmp_path / "absent.pub"])


def test_a_key_that_could_not_be_written_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, mode: str) -> BinaryIO:
        os.close(handle)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("edge_emo.manifest.keys.os.fdopen", full)
    with pytest.raises(ConfigError, match="No space left"):
        write_key_pair(tmp_path / "full.key")
    assert not list(tmp_path.iterdir())


def test_the_command_line_makes_keys_signs_and_verifies(
    package: ModelPackage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, folder = str(tmp_path / "cli.key"), str(package.folder)
    assert main(["models", "keygen", key]) == 0
    assert main(["models", "sign", folder, "--key", key]) == 0
    assert main(["models", "verify", folder, "--trust", f"{key}.pub"]) == 0
    assert f"{PHYSIO}: signed and unaltered" in capsys.readouterr().out
    assert main(["models", "verify", folder]) == 4
    assert "is not trusted" in capsys.readouterr().err


@pytest.mark.parametrize("make", IRREGULAR)
@pytest.mark.parametrize("name", ["model.toml", SIGNATURE, "model.tflite", "metrics.json"])
def test_what_is_no_regular_file_in_a_package_is_named_at_once(
    package: ModelPackage, name: str, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    (package.folder / name).unlink()
    make(package.folder / name)
    assert main(["models", "verify", str(package.folder)]) == 4
    said = capsys.readouterr().err
    assert name in said
    assert "not a regular file" in said


@pytest.mark.parametrize("make", [pipe, device])
def test_a_pipe_or_device_that_was_added_is_named(
    package: ModelPackage, private: PrivateKey, make: Make
) -> None:
    make(package.folder / "extra")
    with pytest.raises(ModelIntegrityError, match="extra is not among the signed files"):
        verify_package(package.folder, shipped_keys())
    with pytest.raises(ModelIntegrityError, match="extra cannot be read: not a regular file"):
        sign_package(package.folder, private)


@pytest.mark.parametrize("make", IRREGULAR)
def test_figures_that_are_no_regular_file_are_named_at_once(
    package: ModelPackage, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    (package.folder / "metrics.json").unlink()
    make(package.folder / "metrics.json")
    assert main(["models", "show", str(package.folder)]) == 4
    assert "metrics.json cannot be read: " in capsys.readouterr().err


def test_keys_and_signatures_are_told_as_json(
    package: ModelPackage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = str(tmp_path / "cli.key")
    assert main(["models", "keygen", key, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["private"], made["public"]) == (key, f"{key}.pub")
    assert main(["models", "sign", str(package.folder), "--key", key, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"package": PHYSIO, "key": made["key"]}


@pytest.mark.parametrize("words", [["sign"], ["sign", PHYSIO], ["keygen"], ["keygen", "a", "b"]])
def test_half_a_command_is_wrong_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *words]) == 2
    assert "hint: edge-emo models" in capsys.readouterr().err


def test_a_damaged_package_is_not_signed(
    package: ModelPackage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_key_pair(tmp_path / "cli.key")
    (package.folder / "model.onnx").write_bytes(b"x")
    key = str(tmp_path / "cli.key")
    assert main(["models", "sign", str(package.folder), "--key", key]) == 4
    assert "is not the file that" in capsys.readouterr().err


def test_shipped_packages_are_found_with_their_signature() -> None:
    Signatures().check(find_package("physio"))
