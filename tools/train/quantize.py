"""Static int8 of a float32 TFLite file, calibrated on real inputs; float32 in and out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edge_emo.compile import litert

_JUDGED = 16


def write_int8(source: Path, samples: Sequence[npt.NDArray[Any]], path: Path) -> None:
    """Write an int8 file.

    Ranges are the least and greatest value of each tensor over the samples. The default of
    the quantizer, a moving average, clips.

    Args:
        source: Float32 .tflite with one input.
        samples: Inputs, batch axis included.
        path: Replaced.
    """
    rows = [(sample,) for sample in samples]
    litert.write_int8(source, rows, rows[:_JUDGED], path, shares=(1.0,))
