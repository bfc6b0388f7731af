from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from edge_emo.errors import ConfigError
from edge_emo.features.eeg import (
    AVERAGED,
    BANDS_HZ,
    COLUMNS,
    FEATURES,
    PERSONAL,
    REGIONS,
    montage_of,
    region_features,
    region_of,
    spectrum,
)

CYTON = ("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")


def pink(
    rate_hz: float, channels: int, seconds: float = 4.0, seed: int = 1
) -> npt.NDArray[np.float32]:
    """Noise whose density falls with the frequency, 10 µV root mean square."""
    n = round(seconds * rate_hz)
    rng = np.random.default_rng(seed)
    f = np.fft.rfftfreq(n, 1 / rate_hz)
    lines = rng.normal(size=(len(f), channels)) + 1j * rng.normal(size=(len(f), channels))
    lines /= np.sqrt(np.maximum(f, 1.0))[:, None]
    wave = np.fft.irfft(lines, n, axis=0)
    return (10 * wave / wave.std(axis=0)).astype(np.float32)


def tone(frequency_hz: float, rate_hz: float, amplitude_uv: float) -> npt.NDArray[np.float32]:
    t = np.arange(round(4 * rate_hz)) / rate_hz
    return (amplitude_uv * np.sin(2 * math.pi * frequency_hz * t)).astype(np.float32)


def named(
    data: npt.NDArray[np.float32], names: tuple[str, ...], rate_hz: float, bad: tuple[str, ...] = ()
) -> dict[str, float]:
    """Return the known features by name."""
    fit = np.array([name not in bad for name in names])
    values, mask = region_features(spectrum(data, rate_hz), montage_of(names), fit)
    return {name: float(v) for name, v, m in zip(FEATURES, values, mask, strict=True) if m}


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("Fp1", "prefrontal"),
        ("AF8", "prefrontal"),
        ("EEG F4-REF", "frontal-right"),
        ("fz", "frontal-mid"),
        ("FCz", "frontal-mid"),
        ("C3..", "central"),
        ("CP6", "central"),
        ("T3", "temporal-left"),
        ("T7", "temporal-left"),
        ("TP10", "temporal-right"),
        ("T5", "temporal-left"),
        ("P7", "temporal-left"),
        ("P4", "parietal"),
        ("POz", "occipital"),
        ("O1-A2", "occipital"),
        ("ECG ECG", None),
        ("A1", None),
        ("M2", None),
        ("EXG Channel 3", None),
        ("EOG1", None),
        ("", None),
    ],
)
def test_names_have_places(name: str, region: str | None) -> None:
    assert region_of(name) == region


def test_a_montage_leaves_other_signals_out() -> None:
    montage = montage_of(("ECG", "Cz", "A1", "O2"))
    assert montage.columns == (1, 3)
    assert montage.regions == ("central", "occipital")


@pytest.mark.parametrize("names", [("ch1", "ch2"), ("ECG",), ()])
def test_a_montage_of_unknown_names_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="10-20") as caught:
        montage_of(names)
    assert "channels=" in caught.value.hint


@pytest.mark.parametrize("rate_hz", [128.0, 250.0, 500.0])
def test_the_power_of_a_tone_is_its_mean_square(rate_hz: float) -> None:
    data = tone(10.0, rate_hz, 20.0)[:, None]
    assert spectrum(data, rate_hz).power(8.0, 12.0)[0] == pytest.approx(200.0, rel=0.01)


@pytest.mark.parametrize("rate_hz", [128.0, 250.0, 500.0])
@pytest.mark.parametrize("band", list(BANDS_HZ))
def test_a_tone_raises_its_own_band_only(rate_hz: float, band: str) -> None:
    low, high = BANDS_HZ[band]
    data = pink(rate_hz, 2) * np.float32(0.02)
    data[:, 1] += tone((low + high) / 2, rate_hz, 20.0)
    logs = spectrum(data, rate_hz).log_bands()
    assert int(np.argmax(logs[1] - logs[0])) == list(BANDS_HZ).index(band)


def test_rates_agree_on_the_same_signal() -> None:
    fine = pink(500.0, 8)
    lines = np.fft.rfft(fine, axis=0)[: 64 * 4]
    coarse = np.fft.irfft(lines, 4 * 128, axis=0).astype(np.float32) * np.float32(128 / 500)
    at_500, at_128 = named(fine, CYTON, 500.0), named(coarse, CYTON, 128.0)
    assert at_500.keys() == at_128.keys()
    for name, value in at_500.items():
        assert at_128[name] == pytest.approx(value, abs=0.02), name


def test_the_gain_of_the_headset_cancels() -> None:
    data = pink(250.0, 8)
    one, ten = named(data, CYTON, 250.0), named(data * np.float32(10), CYTON, 250.0)
    for name, value in one.items():
        gain = 2.0 if name in PERSONAL else 0.0
        assert ten[name] == pytest.approx(value + gain, abs=1e-4), name


def test_the_common_average_does_not_depend_on_the_reference() -> None:
    data = pink(250.0, 8)
    moved = data + pink(250.0, 1, seed=9)
    before, after = named(data, CYTON, 250.0), named(moved, CYTON, 250.0)
    averages = [name for name in before if "/average-" in name]
    assert len(averages) == 5 * len(AVERAGED)
    assert all(after[name] == pytest.approx(before[name], abs=1e-4) for name in averages)
    assert max(abs(after[name] - before[name]) for name in before) > 0.05


def test_regions_without_electrodes_are_unknown() -> None:
    known = named(pink(250.0, 4), ("TP9", "AF7", "AF8", "TP10"), 250.0)
    assert {name.partition("/")[0] for name in known} == {
        "prefrontal",
        "temporal-left",
        "temporal-right",
        "frontal-theta-beta",
    }


def test_a_bad_channel_changes_nothing_but_its_absence() -> None:
    data = pink(250.0, 8)
    spoilt = data.copy()
    spoilt[:, 3] = 9999.0
    assert named(spoilt, CYTON, 250.0, bad=("C4",)) == named(data, CYTON, 250.0, bad=("C4",))
    rest = tuple(name for name in CYTON if name != "C4")
    assert named(data, CYTON, 250.0, bad=("C4",)) == pytest.approx(
        named(np.delete(data, 3, axis=1), rest, 250.0), abs=1e-6
    )


def test_two_channels_have_no_common_average() -> None:
    known = named(pink(250.0, 2), ("C3", "O1"), 250.0)
    assert not [name for name in known if "/average-" in name]
    assert "central/low-theta" in known


def test_asymmetry_is_right_over_left() -> None:
    data = pink(250.0, 8)
    data[:, 1] += tone(11.0, 250.0, 30.0)
    names = ("F3", "F4", *CYTON[2:])
    assert named(data, names, 250.0)["frontal-alpha-asymmetry"] > 0.3


def test_the_alpha_peak_is_where_the_rhythm_is() -> None:
    data = pink(250.0, 1, seconds=10.0) * np.float32(0.1)
    t = np.arange(2500) / 250.0
    data[:, 0] += 20 * np.sin(2 * math.pi * 9.0 * t)
    assert spectrum(data, 250.0).alpha_peak_hz()[0] == pytest.approx(9.0, abs=0.1)


def test_the_slope_tells_pink_from_white() -> None:
    white = np.random.default_rng(3).normal(size=(4000, 1)).astype(np.float32)
    assert spectrum(white, 250.0).slope()[0] == pytest.approx(0.0, abs=0.2)
    assert spectrum(pink(250.0, 1, seconds=40.0), 250.0).slope()[0] == pytest.approx(-1.0, abs=0.2)


def test_no_fit_channel_leaves_nothing_known() -> None:
    values, mask = region_features(
        spectrum(pink(250.0, 8), 250.0), montage_of(CYTON), np.zeros(8, dtype=np.bool_)
    )
    assert not values.any()
    assert not mask.any()
    assert len(values) == len(FEATURES) == len(COLUMNS) * len(REGIONS) + 3


def test_a_window_shorter_than_a_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="segment"):
        spectrum(pink(250.0, 1, seconds=1.0), 250.0)
