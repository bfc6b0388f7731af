"""EEGMAT windows for training: spectra once per window, montages and references at will.

A common average over any part of the channels follows from the cross-spectra of all of them,
so that a random montage costs no Fourier transform.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from personal import Table

from edge_emo.features import eeg
from edge_emo.features.eeg_filter import StreamFilter

WINDOW_S, FIRST_S, HOP_S, HIGHPASS_HZ = 10.0, 4.0, 1.0, 0.5
WINDOWS_S = ((10.0, 5.0), (4.0, 4.0))
"""Length and hop of the windows that are trained on; short ones so that short clips work."""

REST_S = 30.0
"""The first half minute of the rest recording is the subject's baseline."""

REFERENCES = ("recorded", "average", "Cz")
FLOOR = 1e-6
MONTAGES = {
    "19 channels": (),
    "14 channels": (
        *("Fp1", "F7", "F3", "C3", "T3", "T5", "O1", "O2", "T6", "T4", "C4", "F4", "F8", "Fp2"),
    ),
    "8 channels": ("Fp1", "Fp2", "C3", "C4", "T5", "T6", "O1", "O2"),
    "4 channels": ("T3", "Fp1", "Fp2", "T4"),
}
"""Channels of EEGMAT nearest to those of an EPOC headset (AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8
AF4), of a Cyton board, and of a headband (TP9 AF7 AF8 TP10)."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """One file of one subject, (n_samples, 19) in µV; label 0 is rest, 1 is load."""

    subject: int
    label: int
    data: Floats
    rate_hz: float
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Windows:
    """All windows, the first axis of each field.

    Attributes:
        subject: (n,).
        label: (n,).
        start_s: (n,).
        length_s: (n,).
        recorded: (n, references, channels, columns): those of ``eeg.RECORDED``.
        cross: (n, bands, channels, channels): real part of the cross-spectra, band means.
        montage: Of all channels.
    """

    subject: torch.Tensor
    label: torch.Tensor
    start_s: torch.Tensor
    length_s: torch.Tensor
    recorded: torch.Tensor
    cross: torch.Tensor
    montage: eeg.Montage

    def __len__(self) -> int:
        return len(self.label)


def read_recordings(path: Path) -> list[Recording]:
    """Read ``eegmat_128hz.npz``: arrays SubjectNN_1 (rest) and SubjectNN_2 (arithmetic)."""
    archive = np.load(path)
    names = tuple(str(name) for name in archive["channels"])
    kept = [i for i, name in enumerate(names) if eeg.region_of(name)]
    keys = sorted(key for key in archive if key.startswith("Subject"))
    return [
        Recording(
            subject=int(key[7:9]),
            label=int(key[-1]) - 1,
            data=(archive[key][kept].T * np.float32(archive["unit_uv"])).astype(np.float32),
            rate_hz=float(archive["rate_hz"]),
            channels=tuple(names[i] for i in kept),
        )
        for key in keys
    ]


def read_windows(path: Path, cache: Path | None) -> Windows:
    """Cut and transform every recording, or read what an earlier run stored in ``cache``."""
    recordings = read_recordings(path)
    montage = eeg.montage_of(recordings[0].channels)
    if cache is None or not cache.is_file():
        parts = [_transform(recording) for recording in recordings]
        arrays = [np.concatenate(column) for column in zip(*parts, strict=True)]
        if cache is not None:
            np.savez(cache, *arrays)
    else:
        stored = np.load(cache)
        arrays = [stored[f"arr_{i}"] for i in range(6)]
    return Windows(*(torch.from_numpy(array) for array in arrays), montage)


def features(
    windows: Windows, rows: torch.Tensor, reference: torch.Tensor, fit: torch.Tensor
) -> torch.Tensor:
    """Return what ``edge_emo.features.eeg.region_features`` gives, for many windows at once.

    Args:
        windows: The windows.
        rows: (n,) numbers of windows.
        reference: (n,) numbers of :data:`REFERENCES`.
        fit: (n, channels): 1 where the montage has the channel.

    Returns:
        (n, 2 · features): values, then their mask.
    """
    fit = torch.where((reference == REFERENCES.index("Cz"))[:, None], fit * _not_cz(windows), fit)
    averaged = _averaged(windows.cross[rows], fit)
    table = torch.cat([windows.recorded[rows, reference], averaged], dim=2)
    weights = torch.from_numpy(windows.montage.membership).float() * fit[:, None]
    counts = weights.sum(2)
    means = weights @ table / counts.clamp(min=1.0)[..., None]
    present = counts > 0
    known = present[..., None].expand(means.shape).clone()
    known[..., len(eeg.RECORDED) :] &= (fit.sum(1) >= eeg.AVERAGE_CHANNELS)[:, None, None]
    ratios, ratios_known = _ratios(means, present)
    values = torch.cat([(means * known).flatten(1), ratios], dim=1)
    return torch.cat([values, torch.cat([known.flatten(1), ratios_known], dim=1).float()], dim=1)


def table(windows: Windows, fit: torch.Tensor, reference: int = 0) -> Table:
    """Return the features under one montage, each with the rest of its subject under the same.

    Args:
        windows: The windows.
        fit: (channels,): 1 where the montage has the channel.
        reference: Number of one of :data:`REFERENCES`.

    Returns:
        Windows outside the baseline.
    """
    rows = torch.arange(len(windows))
    values, mask = features(
        windows, rows, torch.full_like(rows, reference), fit.expand(len(rows), -1)
    ).chunk(2, dim=1)
    values, mask = values.double().numpy(), mask.double().numpy()
    subject, label = windows.subject.numpy(), windows.label.numpy()
    end_s = (windows.start_s + windows.length_s).numpy()
    full = windows.length_s.numpy() == WINDOW_S
    resting = (label == 0) & (end_s <= REST_S) & full
    means = {one: values[resting & (subject == one)].mean(axis=0) for one in np.unique(subject)}
    kept = ~((label == 0) & (windows.start_s.numpy() < REST_S))
    return Table(
        values=values[kept],
        mask=mask[kept],
        rest=np.stack([means[one] for one in subject[kept]]),
        rest_mask=mask[kept],
        label=label[kept],
        subject=subject[kept],
        part=label[kept],
        full=full[kept],
    )


def random_fit(windows: Windows, seed: int) -> torch.Tensor:
    """Draw a montage of 3 to 18 channels, (channels,)."""
    random = np.random.default_rng(seed)
    count = len(windows.montage.names)
    chosen = random.permutation(count)[: random.integers(3, count)]
    fit = torch.zeros(count)
    fit[torch.from_numpy(chosen)] = 1.0
    return fit


def channel_mask(windows: Windows, names: Sequence[str]) -> torch.Tensor:
    """Return 1 per channel of a montage, shape (channels,); all channels for no names."""
    return torch.tensor([float(not names or name in names) for name in windows.montage.names])


def _transform(recording: Recording) -> tuple[npt.NDArray[np.generic], ...]:
    parts = [_transform_cut(recording, *one) for one in WINDOWS_S]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _transform_cut(
    recording: Recording, length_s: float, hop_s: float
) -> tuple[npt.NDArray[np.generic], ...]:
    tables, cross = [], []
    for name in REFERENCES:
        filtered = StreamFilter(
            recording.rate_hz, recording.data.shape[1], highpass_hz=HIGHPASS_HZ
        ).process(_referenced(recording, name))
        cuts = _cut(filtered, recording.rate_hz, length_s, hop_s)
        spectra = [eeg.spectrum(cut, recording.rate_hz) for cut in cuts]
        tables.append([_table(one) for one in spectra])
        if name == "recorded":
            cross = [_cross(one) for one in spectra]
    n = len(cross)
    recorded = np.asarray(tables, dtype=np.float32).transpose(1, 0, 2, 3)
    return (
        np.full(n, recording.subject),
        np.full(n, recording.label),
        np.arange(n, dtype=np.float32) * hop_s,
        np.full(n, length_s, np.float32),
        np.ascontiguousarray(recorded),
        np.asarray(cross, dtype=np.float32),
    )


def _cut(filtered: Floats, rate_hz: float, length_s: float, hop_s: float) -> list[Floats]:
    length, hop = round(length_s * rate_hz), round(hop_s * rate_hz)
    return [filtered[i : i + length] for i in range(0, len(filtered) - length + 1, hop)]


def _referenced(recording: Recording, name: str) -> Floats:
    if name == "average":
        return recording.data - recording.data.mean(axis=1, keepdims=True)
    if name == "Cz":
        return recording.data - recording.data[:, [recording.channels.index("Cz")]]
    return recording.data


def _table(spectra: eeg.Spectrum) -> npt.NDArray[np.float64]:
    logs = spectra.log_bands()
    level = logs.mean(axis=1)
    relative = logs - level[:, None]
    return np.column_stack([relative, spectra.slope(), spectra.alpha_peak_hz(), level])


def _cross(spectra: eeg.Spectrum) -> npt.NDArray[np.float64]:
    f, x = spectra.frequencies_hz, spectra.segments
    means = []
    for low, high in eeg.BANDS_HZ.values():
        part = x[:, :, (f >= low) & (f < high)].reshape(len(x), -1)
        means.append((part @ part.conj().T).real / part.shape[1])
    return np.stack(means)


def _averaged(cross: torch.Tensor, fit: torch.Tensor) -> torch.Tensor:
    """Return ``eeg.AVERAGED`` against the average of the fit channels, (n, channels, columns)."""
    share = fit / fit.sum(1, keepdim=True).clamp(min=1.0)
    with_mean = torch.einsum("nbij,nj->nbi", cross, share)
    mean_mean = torch.einsum("nbi,ni->nb", with_mean, share)
    density = cross.diagonal(dim1=2, dim2=3) - 2 * with_mean + mean_mean[..., None]
    logs = density.clamp(min=FLOOR).log10().transpose(1, 2)
    level = logs.mean(2, keepdim=True)
    return torch.cat([logs - level, level], dim=2)


def _ratios(means: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    rows = {name: i for i, name in enumerate(eeg.REGIONS)}
    theta, alpha, beta = (means[..., part].mean(2) for part in (eeg.THETA, eeg.ALPHA, eeg.BETA))
    left, right = rows["frontal-left"], rows["frontal-right"]
    front = [i for name, i in rows.items() if name.startswith(("prefrontal", "frontal"))]
    back = [rows["parietal"], rows["occipital"]]
    values = [
        alpha[:, right] - alpha[:, left],
        _mean(theta - beta, present, front),
        _mean(alpha - beta, present, back),
    ]
    known = torch.stack(
        [present[:, left] & present[:, right], present[:, front].any(1), present[:, back].any(1)], 1
    )
    return torch.stack(values, 1) * known, known


def _mean(values: torch.Tensor, present: torch.Tensor, rows: list[int]) -> torch.Tensor:
    weights = present[:, rows].float()
    return (values[:, rows] * weights).sum(1) / weights.sum(1).clamp(min=1.0)


def _not_cz(windows: Windows) -> torch.Tensor:
    return torch.tensor([float(name != "Cz") for name in windows.montage.names])
