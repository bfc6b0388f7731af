"""Recorded sessions of other programs, each written here in its program's own layout."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.clock import ReplayClock
from edge_emo.drivers.eeg.edf import EdfEeg
from edge_emo.drivers.eeg.mindmonitor import MindMonitorEeg
from edge_emo.drivers.eeg.muselsl import MuseLslEeg
from edge_emo.drivers.eeg.signal_file import SignalFileEeg, places_of
from edge_emo.drivers.eeg.xdf import XdfEeg
from edge_emo.drivers.physio.empatica import EmpaticaPhysio
from edge_emo.drivers.physio.npz import NpzPhysio
from edge_emo.errors import ConfigError, DeviceError, DeviceNotFoundError
from edge_emo.testing import read_chunks
from edge_emo.types import StreamInfo

N = 512


def ramp(channels: int, n: int = N) -> npt.NDArray[np.float64]:
    """Sample i of channel c is i / 8 + c."""
    return np.arange(n)[:, None] / 8.0 + np.arange(channels)


def play(driver: SignalFileEeg) -> tuple[StreamInfo, npt.NDArray[np.float32], list[int]]:
    """Return the stream, all samples, and the number of the first sample of each chunk."""
    with driver:
        info = driver.open(ReplayClock())
        chunks = read_chunks(driver, 9999)
    return info, np.concatenate([c.samples for c in chunks]), [c.seq for c in chunks]


def refused(driver: SignalFileEeg, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        driver.open(ReplayClock())


def muse(path: Path, data: npt.NDArray[np.float64], stamps: npt.NDArray[np.float64]) -> Path:
    lines = ["timestamps,TP9,AF7,AF8,TP10,Right AUX"]
    rows = zip(stamps, data.tolist(), strict=True)
    lines += [",".join([f"{t:.6f}", *map(repr, row)]) for t, row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_muselsl_is_read_sample_for_sample(tmp_path: Path) -> None:
    path = muse(tmp_path / "eeg.csv", ramp(5), 1_700_000_000 + np.arange(N) / 256.0)
    info, data, _ = play(MuseLslEeg(str(path)))
    assert info.channels == ("TP9", "AF7", "AF8", "TP10", "Right AUX")
    assert (info.kind, info.rate_hz, info.unit) == ("eeg", 256.0, "uv")
    np.testing.assert_allclose(data, ramp(5), rtol=1e-6)


def test_a_hole_in_muselsl_is_a_loss(tmp_path: Path) -> None:
    stamps = np.arange(N) / 256.0
    stamps[300:] += 1.0
    driver = MuseLslEeg(str(muse(tmp_path / "eeg.csv", ramp(5), stamps)))
    _, _, firsts = play(driver)
    assert 556 in firsts
    assert driver.dropped == 256


def test_other_rates_and_cut_lines_of_muselsl_are_refused(tmp_path: Path) -> None:
    slow = muse(tmp_path / "slow.csv", ramp(5), np.arange(N) / 100.0)
    refused(MuseLslEeg(str(slow)), DeviceError, "100.0 Hz")
    cut = tmp_path / "cut.csv"
    cut.write_text("timestamps,TP9,AF7\n0.0,1,2\n0.004,1\n", encoding="utf-8")
    refused(MuseLslEeg(str(cut)), DeviceError, "line 3: it ends before AF7")
    other = tmp_path / "other.csv"
    other.write_text("time,TP9\n0,1\n", encoding="utf-8")
    refused(MuseLslEeg(str(other)), DeviceError, "no column 'timestamps'")
    refused(MuseLslEeg(str(tmp_path / "none.csv")), DeviceNotFoundError, "none.csv")


def monitor(
    path: Path,
    data: npt.NDArray[np.float64],
    per_second: float = 256.0,
    start: str = "2024-05-01 10:00:00",
) -> Path:
    lines = ["TimeStamp,Delta_TP9,RAW_TP9,RAW_AF7,RAW_AF8,RAW_TP10,AUX_RIGHT,Elements"]
    for i, row in enumerate(data.tolist()):
        at = datetime.fromisoformat(start) + timedelta(milliseconds=int(i / per_second * 1000))
        stamp = at.isoformat(" ", "milliseconds")
        lines.append(",".join([stamp, "0.5", *map(repr, row), "3.0", ""]))
        if i == 100:
            lines.append(f"{stamp},,,,,,,/muse/elements/blink")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_mind_monitor_is_read_without_its_events(tmp_path: Path) -> None:
    info, data, firsts = play(MindMonitorEeg(str(monitor(tmp_path / "m.csv", ramp(4)))))
    assert (info.channels, info.rate_hz) == (("TP9", "AF7", "AF8", "TP10"), 256.0)
    np.testing.assert_allclose(data, ramp(4), rtol=1e-6)
    assert firsts == list(range(0, N, 10))


@pytest.fixture
def european(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is put back at 3:00 on the last Sunday of October."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("european")
def test_mind_monitor_is_read_alike_where_the_clock_is_put_back(tmp_path: Path) -> None:
    path = monitor(tmp_path / "m.csv", ramp(4), start="2024-10-27 02:59:59.700")
    _, data, firsts = play(MindMonitorEeg(str(path)))
    assert len(data) == N
    assert firsts == list(range(0, N, 10))


def test_mind_monitor_at_one_sample_a_second_is_refused(tmp_path: Path) -> None:
    path = monitor(tmp_path / "m.csv", ramp(4, 20), per_second=1.0)
    refused(MindMonitorEeg(str(path)), DeviceError, "samples a second")


def edf(path: Path, data_uv: npt.NDArray[np.float64], labels: list[str]) -> Path:
    library = pytest.importorskip("pyedflib", reason="pip install 'edge-emo[files]'")
    bits = library.FILETYPE_BDF if path.suffix == ".bdf" else library.FILETYPE_EDF
    writer = library.EdfWriter(str(path), len(labels), file_type=bits)
    writer.setSignalHeaders(
        [
            {
                "label": label,
                "dimension": "mV" if label == "EEG Cz" else "uV",
                "sample_frequency": 128,
                "physical_max": 1000.0,
                "physical_min": -1000.0,
                "digital_max": 32767,
                "digital_min": -32768,
                "transducer": "",
                "prefilter": "",
            }
            for label in labels
        ]
    )
    writer.writeSamples([np.ascontiguousarray(column) for column in data_uv.T])
    writer.close()
    return path


@pytest.mark.parametrize("name", ["a.edf", "a.bdf"])
def test_edf_is_read_in_microvolts(tmp_path: Path, name: str) -> None:
    path = edf(tmp_path / name, ramp(2), ["EEG Fp1-REF", "EEG Cz"])
    info, data, _ = play(EdfEeg(str(path)))
    assert (info.channels, info.rate_hz) == (("EEG Fp1-REF", "EEG Cz"), 128.0)
    np.testing.assert_allclose(data[:, 0], ramp(2)[:, 0], atol=0.04)
    np.testing.assert_allclose(data[:, 1], 1000.0 * ramp(2)[:, 1], atol=40.0)


def test_what_is_no_edf_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyedflib", reason="pip install 'edge-emo[files]'")
    (tmp_path / "b.edf").write_bytes(b"nothing" * 100)
    refused(EdfEeg(str(tmp_path / "b.edf")), DeviceError, "b.edf cannot be read")


def xdf(path: Path, names: list[str], unit: str = "microvolts") -> Path:
    """Write streams of type EEG: three channels, 512 samples of float32 at 250 Hz."""

    def block(tag: int, content: bytes) -> bytes:
        return b"\x04" + struct.pack("<I", len(content) + 2) + struct.pack("<H", tag) + content

    out = [b"XDF:", block(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")]
    for number, name in enumerate(names, start=1):
        stream = struct.pack("<I", number)
        channels = "".join(
            f"<channel><label>{label}</label><unit>{unit}</unit></channel>"
            for label in ("Fz", "Cz", "Pz")
        )
        header = (
            f"<?xml version='1.0'?><info><name>{name}</name><type>EEG</type>"
            "<channel_count>3</channel_count><nominal_srate>250</nominal_srate>"
            "<channel_format>float32</channel_format>"
            f"<desc><channels>{channels}</channels></desc></info>"
        )
        out.append(block(2, stream + header.encode()))
        samples = b"".join(
            b"\x08" + struct.pack("<d", 5.0 + i / 250.0) + struct.pack("<3f", *row)
            for i, row in enumerate(ramp(3).tolist())
        )
        out.append(block(3, stream + b"\x04" + struct.pack("<I", N) + samples))
        out.append(block(6, stream + b"<?xml version='1.0'?><info></info>"))
    path.write_bytes(b"".join(out))
    return path


def test_xdf_is_read_with_its_names(tmp_path: Path) -> None:
    pytest.importorskip("pyxdf", reason="pip install 'edge-emo[files]'")
    info, data, _ = play(XdfEeg(str(xdf(tmp_path / "a.xdf", ["amp"]))))
    assert (info.channels, info.rate_hz) == (("Fz", "Cz", "Pz"), 250.0)
    np.testing.assert_allclose(data, ramp(3), rtol=1e-6)


def test_several_streams_of_an_xdf_need_a_name(tmp_path: Path) -> None:
    pytest.importorskip("pyxdf", reason="pip install 'edge-emo[files]'")
    path = xdf(tmp_path / "a.xdf", ["amp", "cap"])
    refused(XdfEeg(str(path)), ConfigError, "no EEG stream ''")
    info, _, _ = play(XdfEeg(str(path), stream="cap"))
    assert "cap" in info.device


@pytest.mark.parametrize("stream", ["", "amp"])
def test_two_streams_of_one_name_are_not_taken_for_one(tmp_path: Path, stream: str) -> None:
    pytest.importorskip("pyxdf", reason="pip install 'edge-emo[files]'")
    path = xdf(tmp_path / "a.xdf", ["amp", "amp"])
    refused(XdfEeg(str(path), stream=stream), ConfigError, "2 EEG streams 'amp'")


def test_an_xdf_of_another_unit_or_format_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyxdf", reason="pip install 'edge-emo[files]'")
    refused(XdfEeg(str(xdf(tmp_path / "a.xdf", ["amp"], "ohm"))), DeviceError, "unit 'ohm'")
    (tmp_path / "b.xdf").write_bytes(b"nothing" * 100)
    refused(XdfEeg(str(tmp_path / "b.xdf")), DeviceError, "b.xdf cannot be read")


def e4(folder: Path) -> Path:
    """A recording of 8 s whose skin conductance begins a second late."""
    folder.mkdir()
    pulse = [f"{i % 64}" for i in range(512)]
    skin = [f"{0.25 * i}" for i in range(28)]
    (folder / "BVP.csv").write_text("\n".join(["1700000000.00", "64.000000", *pulse]))
    (folder / "EDA.csv").write_text("\n".join(["1700000001.00", "4.000000", *skin]))
    return folder


def test_empatica_signals_come_at_one_rate_each_in_its_place(tmp_path: Path) -> None:
    info, data, _ = play(EmpaticaPhysio(str(e4(tmp_path / "rec"))))
    assert (info.kind, info.channels, info.rate_hz) == ("physio", ("bvp", "eda"), 64.0)
    np.testing.assert_array_equal(data[:, 0], np.arange(512) % 64)
    assert np.isnan(data[:50, 1]).all()
    np.testing.assert_allclose(data[64:480, 1], np.arange(416) / 64.0, atol=1e-5)


def test_a_damaged_or_missing_empatica_recording_is_refused(tmp_path: Path) -> None:
    refused(EmpaticaPhysio(str(tmp_path)), DeviceNotFoundError, "no Empatica recording")
    folder = e4(tmp_path / "rec")
    (folder / "EDA.csv").write_text("1700000000.0\n4.0\nhalf\n")
    refused(EmpaticaPhysio(str(folder)), DeviceError, "EDA.csv cannot be read")


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ("nan", "no time"),
        ("inf", "no time"),
        ("0", "not recorded at one"),
        ("1.8e9", "not recorded at one"),
    ],
)
def test_an_empatica_signal_of_another_time_is_refused(
    tmp_path: Path, start: str, reason: str
) -> None:
    folder = e4(tmp_path / "rec")
    (folder / "EDA.csv").write_text("\n".join([start, "4.0", *["0.5"] * 28]))
    refused(EmpaticaPhysio(str(folder)), DeviceError, reason)


def test_a_signal_file_of_the_body_is_physio(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", data=ramp(2), rate_hz=64.0, channels=np.array(["bvp", "eda"]))
    info, _, _ = play(NpzPhysio(str(tmp_path / "w.npz")))
    assert (info.kind, info.unit) == ("physio", "physical")


def stretched(data: bytes, stamp: float, wrong: float) -> bytes:
    """The bytes of an XDF file with another time for one of its samples."""
    former, latter = (b"\x08" + struct.pack("<d", value) for value in (stamp, wrong))
    assert former in data
    return data.replace(former, latter)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1e12, -1e300])
def test_an_xdf_whose_stamps_no_recording_has_is_refused(tmp_path: Path, wrong: float) -> None:
    pytest.importorskip("pyxdf", reason="pip install 'edge-emo[files]'")
    path = xdf(tmp_path / "a.xdf", ["amp"])
    path.write_bytes(stretched(path.read_bytes(), 5.0 + 7 / 250.0, wrong))
    refused(XdfEeg(str(path)), DeviceError, "a.xdf: its time stamps are damaged")


def test_an_xdf_whose_description_is_damaged_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyxdf", reason="pip install 'edge-emo[files]'")
    path = xdf(tmp_path / "a.xdf", ["amp"])
    path.write_bytes(path.read_bytes().replace(b"</info>", b"</inf0>", 1))
    refused(XdfEeg(str(path)), DeviceError, "a.xdf cannot be read")


def test_a_table_whose_stamps_no_recording_has_is_refused(tmp_path: Path) -> None:
    rows = "\n".join(f"{i / 256.0},1,2" for i in range(40))
    path = tmp_path / "m.csv"
    path.write_text(f"timestamps,TP9,AF7\n{rows}\n1e15,1,2\n", encoding="utf-8")
    refused(MuseLslEeg(str(path)), DeviceError, "m.csv: its time stamps are damaged")
    path = monitor(tmp_path / "mm.csv", ramp(4))
    path.write_text(path.read_text().replace("2024-05-01 10:00:00.1", "2924-05-01 10:00:00.1"))
    refused(MindMonitorEeg(str(path)), DeviceError, "mm.csv: its time stamps are damaged")


def test_jitter_makes_no_hole() -> None:
    stamps = np.arange(1000) / 250.0 + np.random.default_rng(0).uniform(0, 0.002, 1000)
    np.testing.assert_array_equal(places_of(stamps, 250.0), np.arange(1000))


@pytest.mark.parametrize("drift", [2e-4, 0.0, -2e-4])
def test_a_hole_after_an_hour_is_seen_however_the_clock_drifts(drift: float) -> None:
    n, missing = 3600 * 250, 100
    stamps = np.arange(n) / (250.0 * (1.0 + drift))
    stamps[-1000:] += missing / 250.0
    steps = np.diff(places_of(stamps, 250.0))
    assert np.flatnonzero(steps != 1).tolist() == [n - 1001]
    assert steps[n - 1001] == missing + 1


def test_bursts_make_no_hole() -> None:
    stamps = np.repeat(np.arange(100) * 12 / 256.0, 12)
    np.testing.assert_array_equal(places_of(stamps, 256.0), np.arange(1200))
