"""Signal files of body signals: ``npz:FILE.npz``, in the format that manifests of clips name."""

from __future__ import annotations

from edge_emo.drivers.eeg.npz import NpzEeg


class NpzPhysio(NpzEeg):
    """Plays ``data`` float32 (n_samples, n_channels), with ``rate_hz`` and ``channels``.

    Channels are ``bvp`` in the sensor's unit, ``eda`` in µS and ``temp`` in °C, all at one rate.
    """

    kind = "physio"
    unit = "physical"
