from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_emo.errors import UnavailableError
from edge_emo.vendor import VENDORS, load

ROOT = Path(__file__).resolve().parents[1]


def modules_after(statement: str) -> set[str]:
    script = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


@pytest.mark.parametrize(
    "statement",
    [
        "import edge_emo",
        "import edge_emo; edge_emo.EmotionState; edge_emo.Config; edge_emo.CATEGORIES",
        "import edge_emo.manifest, edge_emo.registry, edge_emo.config, edge_emo.clock",
    ],
)
def test_importing_loads_no_vendor_package_and_no_numpy(statement: str) -> None:
    assert not modules_after(statement) & set(VENDORS)


def test_every_public_name_resolves() -> None:
    modules_after("import edge_emo\nfor name in edge_emo.__all__: getattr(edge_emo, name)")


def test_vendor_packages_are_imported_by_the_loader_alone() -> None:
    vendors = set(VENDORS) - {"numpy"}
    guilty = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / "edge_emo").rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for words in [line.split()]
        if words[:1] in (["import"], ["from"]) and words[1].partition(".")[0] in vendors
    ]
    assert guilty == []


def test_unknown_name_is_an_attribute_error() -> None:
    import edge_emo

    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        edge_emo.Pipelin  # noqa: B018 - the access is the test


def test_a_missing_vendor_says_how_to_install_it() -> None:
    with pytest.raises(UnavailableError, match="no_such_sdk") as caught:
        load("no_such_sdk.device")
    assert caught.value.hint == "pip install no_such_sdk"
    assert "portaudio19-dev" in VENDORS["pyaudio"].note


@pytest.mark.parametrize(
    "raised",
    [
        'ValueError("numpy.dtype size changed, may indicate binary incompatibility")',
        'TypeError("Descriptors cannot be created directly")',
        'AttributeError("_ARRAY_API not found")',
    ],
)
def test_a_vendor_built_for_another_release_of_what_it_needs_is_missing(
    raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sdk_of_another_abi.py").write_text(f"raise {raised}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UnavailableError, match="sdk_of_another_abi") as caught:
        load("sdk_of_another_abi")
    assert caught.value.hint == "pip install sdk_of_another_abi"
