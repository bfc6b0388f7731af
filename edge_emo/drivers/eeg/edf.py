"""European Data Format: ``edf:FILE.edf``, ``edf:FILE.bdf``, read by pyEDFlib.

https://www.edfplus.info/specs/edf.html
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edge_emo import vendor
from edge_emo.drivers.eeg.signal_file import UNITS_UV, Signal, SignalFileEeg
from edge_emo.errors import DeviceError

_HINT = "give a continuous EDF or BDF file that holds EEG in V, mV or µV"


class EdfEeg(SignalFileEeg):
    """Plays the signals of an EDF or BDF file that are voltages of the most common rate.

    Annotations, trigger channels and signals of other units or rates are left out.
    """

    def load(self, path: Path) -> Signal:
        """Read the file.

        Raises:
            UnavailableError: pyEDFlib is missing.
            DeviceError: No such format, or no voltage in it.
        """
        library = vendor.load("pyedflib")
        try:
            reader = library.EdfReader(str(path))
        except (OSError, ValueError) as error:
            raise DeviceError(f"{path.name} cannot be read: {error}", hint=_HINT) from error
        try:
            return _signal(path, reader)
        finally:
            reader.close()


def _signal(path: Path, reader: Any) -> Signal:
    units = [_unit(reader, i) for i in range(reader.signals_in_file)]
    voltages = [i for i, unit in enumerate(units) if unit in UNITS_UV]
    rates = Counter(float(reader.getSampleFrequency(i)) for i in voltages)
    if not rates:
        raise DeviceError(f"{path.name} holds no voltage", hint=_HINT)
    rate_hz = rates.most_common(1)[0][0]
    used = [i for i in voltages if float(reader.getSampleFrequency(i)) == rate_hz]
    columns = [reader.readSignal(i) * UNITS_UV[units[i]] for i in used]
    return Signal(
        data=np.stack(columns, axis=1).astype(np.float32),
        rate_hz=rate_hz,
        channels=tuple(reader.getLabel(i).strip() for i in used),
        places=np.arange(len(columns[0])),
        device=f"EDF recording {path.name}",
    )


def _unit(reader: Any, number: int) -> str:
    return str(reader.getPhysicalDimension(number)).strip().lower()
