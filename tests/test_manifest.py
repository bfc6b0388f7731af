from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from edge_emo.errors import ConfigError, ModelError, ModelIntegrityError, ModelNotFoundError
from edge_emo.manifest import (
    Corpus,
    DimensionTable,
    ModelPackage,
    TensorSpec,
    check_license_policy,
    find_detector,
    find_package,
    is_covering,
    list_packages,
    open_package,
    read_package,
)
from edge_emo.manifest.write import read_table
from tests.fakes.irregular import IRREGULAR, Make

CONTENT = b"not really a model"
GOOD = f"""
id = "rest-load"
version = "1.2.3"
modality = "eeg"
default = true
summary = "rest against load"

[licence]
weights = "research only"
commercial = false
corpora = [{{ name = "somecorpus", licence = "CC-BY-4.0" }}]

[[files]]
path = "model.tflite"
format = "tflite"
precision = "float32"
bytes = {len(CONTENT)}
sha256 = "{hashlib.sha256(CONTENT).hexdigest()}"

[[inputs]]
name = "eeg"
shape = [1, 4, 512]
layout = "NCT"
dtype = "float32"

[[outputs]]
name = "logits"
shape = [1, 2]
layout = "NC"
dtype = "float32"
labels = ["rest", "load"]

[features]
rate_hz = 128

[calibration]
temperature = 1.5

[dimensions]
source = "mapping"
[dimensions.arousal]
rest = -0.5
load = 0.5

[fusion]
reliability = 0.25

[[metrics]]
split = "held-out subjects"
backend = "litert"
n = 40
accuracy = 0.75
unweighted_average_recall = 0.75
macro_f1 = 0.7
expected_calibration_error = 0.1
"""


def write(folder: Path, text: str = GOOD, name: str = "rest-load") -> Path:
    package = folder / name
    package.mkdir(parents=True)
    (package / "model.toml").write_text(text, encoding="utf-8")
    (package / "model.tflite").write_bytes(CONTENT)
    return package


def test_every_key_arrives(tmp_path: Path) -> None:
    package = read_package(write(tmp_path))
    assert (package.id, package.version, package.modality) == ("rest-load", "1.2.3", "eeg")
    assert package.default
    assert package.licence.corpora == (Corpus("somecorpus", "CC-BY-4.0"),)
    assert package.inputs == (TensorSpec("eeg", (1, 4, 512), "NCT", "float32"),)
    assert package.labels == ("rest", "load")
    assert package.features == {"rate_hz": 128}
    assert package.temperature == 1.5
    assert package.dimensions == DimensionTable("mapping", arousal={"rest": -0.5, "load": 0.5})
    assert package.reliability == 0.25
    assert package.metrics[0].macro_f1 == 0.7
    assert package.path(package.files[0]) == tmp_path / "rest-load" / "model.tflite"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('version = "1.2.3"\n', "", "version is missing"),
        ("default = true", "defualt = true", "defualt is an unknown key"),
        ("default = true", "default = 1", "default is 1, which is no true or false"),
        ('modality = "eeg"', 'modality = "smell"', "modality = 'smell' is unknown"),
        ('id = "rest-load"', 'id = "other"', "id = 'other' is not the folder's name"),
        ("commercial = false", 'commercial = "no"', "licence.commercial is 'no'"),
        ("commercial = false", "commercial = false\nfree = 1", "licence.free is an unknown key"),
        ("bytes = 18", "bytes = -1", r"files\[0\].bytes = -1 is not allowed"),
        ("bytes = 18", 'bytes = "18"', r"files\[0\].bytes is '18', which is no integer"),
        ('format = "tflite"', 'format = "pickle"', r"files\[0\].format = 'pickle' is unknown"),
        ('path = "model.tflite"', 'path = "../model.tflite"', r"files\[0\].path"),
        ('path = "model.tflite"', 'path = "/model.tflite"', r"files\[0\].path"),
        ("shape = [1, 4, 512]", "shape = [1, 0, 512]", r"inputs\[0\].shape"),
        ('layout = "NCT"', 'layout = "NC"', r"inputs\[0\].layout = 'NC' is not allowed"),
        ('"rest", "load"]', '"rest"]', r"outputs\[0\].labels has 1 names for an axis of 2"),
        ('"rest", "load"]', '"rest", "rest"]', "names one twice"),
        ("temperature = 1.5", "temperature = 0", "calibration.temperature = 0.0 is not allowed"),
        ("temperature = 1.5", "temperature = nan", "calibration.temperature"),
        ("temperature = 1.5", f"temperature = 1{'0' * 400}", "which is no number"),
        ("temperature = 1.5", f"temperature = 1{'0' * 5000}", "is not TOML"),
        ("temperature = 1.5", f"temperature = {'[' * 100_000}", "is not TOML"),
        ('path = "model.tflite"', r'path = "model\u0000.tflite"', r"files\[0\].path"),
        ("temperature = 1.5", "temperature = 1e-320", "calibration.temperature"),
        ("temperature = 1.5", "temperature = 1e300", "calibration.temperature"),
        ("load = 0.5", "load = 1.5", "dimensions.arousal.load = 1.5 is not allowed"),
        ("load = 0.5", "stress = 0.5", "dimensions.arousal and the labels differ in: load, stress"),
        ('source = "mapping"', 'source = "guess"', "dimensions.source = 'guess' is unknown"),
        ("reliability = 0.25", "reliability = 2", "fusion.reliability = 2.0 is not allowed"),
        ("accuracy = 0.75\n", "accuracy = 75\n", r"metrics\[0\].accuracy = 75.0 is not allowed"),
        ("[[metrics]]", "[[metrics]", "is not TOML"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    folder = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ModelError, match=words) as caught:
        read_package(folder)
    assert str(folder / "model.toml") in caught.value.message
    assert caught.value.hint


def test_a_package_without_metrics_and_default_is_fine(tmp_path: Path) -> None:
    text = GOOD[: GOOD.index("[[metrics]]")].replace("default = true\n", "")
    package = read_package(write(tmp_path, text))
    assert package.metrics == ()
    assert not package.default


def test_dimensions_of_the_model_need_such_an_output(tmp_path: Path) -> None:
    begin, end = GOOD.index("[dimensions]"), GOOD.index("[fusion]")
    text = GOOD[:begin] + '[dimensions]\nsource = "model"\n' + GOOD[end:]
    with pytest.raises(ModelError, match="no output is labelled with dimensions"):
        read_package(write(tmp_path / "without", text))
    output = (
        '[[outputs]]\nname = "va"\nshape = [1, 2]\nlayout = "NC"\ndtype = "float32"\n'
        'labels = ["valence", "arousal"]\n[features]'
    )
    package = read_package(write(tmp_path / "with", text.replace("[features]", output)))
    assert package.labels == ("rest", "load")


VALENCE_TABLE = "[dimensions.valence]\nrest = 0.1\nload = -0.2\n"
AROUSAL_TABLE = GOOD[GOOD.index("[dimensions.arousal]") : GOOD.index("[fusion]")]


def with_valence_output(source: str, tables: str) -> str:
    begin, end = GOOD.index("[dimensions]"), GOOD.index("[fusion]")
    output = (
        '[[outputs]]\nname = "own"\nshape = [1, 1]\nlayout = "NC"\ndtype = "float32"\n'
        'labels = ["valence"]\n[features]'
    )
    head = GOOD[:begin].replace("[features]", output)
    return f'{head}[dimensions]\nsource = "{source}"\n{tables}{GOOD[end:]}'


def test_dimensions_may_come_partly_from_the_model(tmp_path: Path) -> None:
    package = read_package(write(tmp_path, with_valence_output("mixed", AROUSAL_TABLE)))
    assert package.dimensions == DimensionTable("mixed", arousal={"rest": -0.5, "load": 0.5})


@pytest.mark.parametrize(
    ("source", "tables", "words"),
    [
        ("mixed", "", "'mixed', but there is no table"),
        ("mixed", VALENCE_TABLE, "valence is a table, and an output gives it too"),
        ("mapping", AROUSAL_TABLE, "'mapping', but an output is labelled"),
        ("model", AROUSAL_TABLE, "'model' leaves no place"),
    ],
)
def test_tables_and_outputs_must_not_contradict_each_other(
    tmp_path: Path, source: str, tables: str, words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        read_package(write(tmp_path, with_valence_output(source, tables)))


def test_a_covering_output_gives_no_labels(tmp_path: Path) -> None:
    output = (
        '[[outputs]]\nname = "covered"\nshape = [1, 2]\nlayout = "NC"\ndtype = "float32"\n'
        'labels = ["eyes", "mouth"]\n[[outputs]]'
    )
    package = read_package(write(tmp_path, GOOD.replace("[[outputs]]", output, 1)))
    assert package.labels == ("rest", "load")
    assert [is_covering(spec) for spec in package.outputs] == [True, False]


def test_an_ir_needs_its_weights_in_the_manifest(tmp_path: Path) -> None:
    text = GOOD.replace('path = "model.tflite"', 'path = "model.xml"')
    text = text.replace('format = "tflite"', 'format = "openvino-ir"')
    with pytest.raises(ModelError, match=r"model.xml without model.bin"):
        read_package(write(tmp_path, text))


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    return read_package(write(tmp_path))


def test_an_intact_file_is_verified(package: ModelPackage) -> None:
    assert package.verify(package.files[0]).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CONTENT[:-1], "17 bytes, not 18"),
        (CONTENT[:-1] + b"L", "SHA-256"),
        (None, "No such file"),
    ],
)
def test_a_damaged_file_is_refused(
    package: ModelPackage, content: bytes | None, words: str
) -> None:
    path = package.path(package.files[0])
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelIntegrityError, match=words) as caught:
        package.verify(package.files[0])
    assert "model.tflite" in caught.value.message


def test_found_by_id_and_by_modality(tmp_path: Path) -> None:
    write(tmp_path)
    other = GOOD.replace('"rest-load"', '"second"').replace("default = true", "default = false")
    write(tmp_path, other, "second")
    assert find_package("second", [tmp_path]).id == "second"
    assert find_package("eeg", [tmp_path]).id == "rest-load"
    assert {"rest-load", "second"} <= {package.id for package in list_packages([tmp_path])}


def test_the_users_folder_comes_first(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    write(tmp_path / "theirs", GOOD.replace("1.2.3", "9.9.9"))
    places = [tmp_path / "mine", tmp_path / "theirs"]
    assert find_package("rest-load", places).version == "1.2.3"
    assert find_package("eeg", places[::-1]).version == "9.9.9"
    assert list_packages(places[::-1])[0].version == "9.9.9"


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ModelNotFoundError, match="'nope'") as caught:
        find_package("nope", [tmp_path])
    assert "rest-load" in caught.value.hint


def test_two_defaults_of_one_modality_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, GOOD.replace('"rest-load"', '"second"'), "second")
    with pytest.raises(ModelError, match="several default packages for eeg: rest-load, second"):
        find_package("eeg", [tmp_path])


def test_a_folder_that_does_not_exist_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        list_packages([tmp_path / "nowhere"])


def test_a_package_is_no_folder_of_packages(tmp_path: Path) -> None:
    write(tmp_path)
    (package,) = (path.parent for path in tmp_path.rglob("model.toml"))
    with pytest.raises(ConfigError, match="is a package itself") as caught:
        list_packages([package])
    assert "the folder that holds the packages" in caught.value.hint


def test_a_package_without_manifest_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"model\.toml"):
        read_package(tmp_path)


@pytest.mark.parametrize("make", IRREGULAR)
def test_a_manifest_that_is_no_regular_file_is_named_at_once(tmp_path: Path, make: Make) -> None:
    folder = write(tmp_path)
    (folder / "model.toml").unlink()
    make(folder / "model.toml")
    for read in (
        lambda: read_package(folder),
        lambda: read_table(folder),
        lambda: list_packages([tmp_path]),
        lambda: open_package(str(folder)),
        lambda: open_package("rest-load", [tmp_path]),
    ):
        with pytest.raises(ModelNotFoundError, match=r"model\.toml cannot be read: not a regular"):
            read()


@pytest.mark.parametrize("make", IRREGULAR)
def test_a_model_file_that_is_no_regular_file_is_named_at_once(
    package: ModelPackage, make: Make
) -> None:
    path = package.path(package.files[0])
    path.unlink()
    make(path)
    with pytest.raises(ModelIntegrityError, match=r"model\.tflite .*: not a regular file"):
        package.verify(package.files[0])


def test_the_commercial_policy_refuses_research_weights(package: ModelPackage) -> None:
    check_license_policy(package, "any")
    with pytest.raises(ModelError, match="rest-load is not licensed for commercial use"):
        check_license_policy(package, "commercial")
    with pytest.raises(ConfigError, match="'free'"):
        check_license_policy(package, "free")


def test_reading_a_manifest_loads_no_numpy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:] = sys.argv[2:]; from edge_emo.manifest import read_package; "
        "read_package(sys.argv[1]); sys.exit('numpy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(write(tmp_path)), *sys.path], check=True)


DETECTOR = (
    GOOD.split("[features]")[0]
    .replace('id = "rest-load"', 'id = "finder"\ntask = "detect"')
    .replace("default = true", "default = false")
    .replace('labels = ["rest", "load"]\n', "")
    + """
[features]
threshold = 0.4

[[metrics]]
split = "held-out scenes"
backend = "litert"
precision = "int8"
n = 40
recall = 0.75
false_per_image = 0.1
landmark_error = 0.06
"""
)


def test_a_detector_needs_no_labels(tmp_path: Path) -> None:
    package = read_package(write(tmp_path, DETECTOR, "finder"))
    assert (package.task, package.features) == ("detect", {"threshold": 0.4})
    assert (package.detection[0].recall, package.detection[0].precision) == (0.75, "int8")
    with pytest.raises(ModelError, match="finder estimates nothing"):
        _ = package.labels


def test_a_modality_never_means_its_detector(tmp_path: Path) -> None:
    write(tmp_path, DETECTOR, "finder")
    write(tmp_path)
    assert find_package("eeg", [tmp_path]).id == "rest-load"
    assert find_package("finder", [tmp_path]).task == "detect"


def finders(folder: Path, **default: bool) -> list[Path]:
    for name, is_default in default.items():
        text = DETECTOR.replace('"finder"', f'"{name}"')
        write(folder, text.replace("default = false", f"default = {str(is_default).lower()}"), name)
    return [folder]


def test_the_only_detector_is_found_and_no_estimator_is_one(tmp_path: Path) -> None:
    write(tmp_path)
    assert find_detector(None, "eeg", [tmp_path]) is None
    found = find_detector(None, "eeg", finders(tmp_path, finder=False))
    assert found is not None
    assert found.id == "finder"
    assert find_detector("finder", "eeg", [tmp_path]) == found
    for name, modality in (("finder", "face"), ("rest-load", "eeg")):
        with pytest.raises(ModelError, match="does not find what"):
            find_detector(name, modality, [tmp_path])  # type: ignore[arg-type]
    with pytest.raises(ModelNotFoundError, match="'nope'"):
        find_detector("nope", "eeg", [tmp_path])


def test_of_several_detectors_the_default_one_is_found(tmp_path: Path) -> None:
    found = find_detector(None, "eeg", finders(tmp_path / "one", a=False, b=True, c=False))
    assert found is not None
    assert found.id == "b"
    with pytest.raises(ModelError, match="several detectors for eeg: a, b"):
        find_detector(None, "eeg", finders(tmp_path / "none", a=False, b=False))
    with pytest.raises(ModelError, match="several detectors for eeg: a, c"):
        find_detector(None, "eeg", finders(tmp_path / "two", a=True, b=False, c=True))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('task = "detect"', 'task = "dream"', "task = 'dream' is unknown"),
        ("recall = 0.75", "recall = 1.75", r"metrics\[0\].recall = 1.75 is not allowed"),
        ('task = "detect"', "", "calibration is missing"),
        ("[features]", "[fusion]\nreliability = 1\n[features]", "fusion is an unknown key"),
    ],
)
def test_a_wrong_detector_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        read_package(write(tmp_path, DETECTOR.replace(old, new), "finder"))


def test_a_manifest_of_a_later_form_asks_for_a_later_version(tmp_path: Path) -> None:
    package = read_package(write(tmp_path / "now", "manifest = 1\n" + GOOD))
    assert package.version == "1.2.3"
    with pytest.raises(ModelError, match="manifest = 2, and this edge_emo reads 1") as caught:
        read_package(write(tmp_path / "later", "manifest = 2\n" + GOOD))
    assert "install a newer edge_emo" in caught.value.hint


def test_a_file_may_have_a_target_and_a_temperature_of_its_own(tmp_path: Path) -> None:
    text = GOOD.replace("sha256 =", 'target = "rpi"\ntemperature = 1.25\nsha256 =', 1)
    package = read_package(write(tmp_path, text))
    assert (package.files[0].target, package.files[0].temperature) == ("rpi", 1.25)
    assert package.as_run_by(package.files[0]).temperature == 1.25
    assert package.as_run_by(package.files[-1]).temperature in (1.25, package.temperature)
    assert package.as_run_by(None) == package


def test_a_file_of_a_detector_may_have_a_threshold_of_its_own(tmp_path: Path) -> None:
    text = DETECTOR.replace("sha256 =", "threshold = 0.55\nsha256 =", 1)
    package = read_package(write(tmp_path, text, "finder"))
    assert package.as_run_by(package.files[0]).features == {"threshold": 0.55}
    assert package.as_run_by(None).features == package.features == {"threshold": 0.4}
    with pytest.raises(ModelError, match=r"threshold = 1\.5 is not allowed"):
        read_package(write(tmp_path / "high", text.replace("0.55", "1.5"), "finder"))
    with pytest.raises(ModelError, match="the package is no detector"):
        read_package(
            write(tmp_path / "other", GOOD.replace("sha256", "threshold = 0.5\nsha256", 1))
        )


@pytest.mark.parametrize(
    ("key", "words"),
    [('target = "toaster"', "target = 'toaster' is unknown"), ("temperature = 0.0", "not allowed")],
)
def test_a_wrong_target_or_temperature_is_named(tmp_path: Path, key: str, words: str) -> None:
    text = GOOD.replace("sha256 =", f"{key}\nsha256 =", 1)
    with pytest.raises(ModelError, match=words):
        read_package(write(tmp_path, text))


def test_a_package_is_opened_by_its_folder_too(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert open_package(str(folder)) == read_package(folder)
    assert open_package("rest-load", [tmp_path]).id == "rest-load"
