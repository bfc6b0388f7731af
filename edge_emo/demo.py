"""The demonstration: sources that need no device and no network, through the real pipeline.

The picture is the public-domain portrait of Grace Hopper that matplotlib carries in its sample
data; voice and body signals are this project's own synthesis. Nothing of it is a measurement of
anybody: the states show that the pipeline runs, not how well it estimates.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from edge_emo.config import Streams
from edge_emo.errors import UnavailableError
from edge_emo.files import is_file
from edge_emo.vendor import VENDORS

ASSETS = Path(__file__).resolve().parent / "assets"

NOTICE = (
    "demonstration: a sample portrait and synthetic sound and signals, through the real "
    "drivers, models and fusion; the estimates describe nobody"
)


def portrait() -> Path:
    """Return the path of the portrait, without importing the package that carries it.

    Raises:
        UnavailableError: matplotlib is not installed, or without its sample data.
    """
    words = "the demonstration needs the portrait in matplotlib's sample data"
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise UnavailableError(words, hint=VENDORS["matplotlib"].install)
    path = Path(spec.origin).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    if not is_file(path):  # as a distribution of Linux packs it
        hint = "pip install --ignore-installed matplotlib"
        raise UnavailableError(f"{words}: no {path}", hint=hint)
    return path


def demo_streams(seed: int = 7) -> Streams:
    """Return the addresses of the demonstration: camera, microphone and EEG, without end.

    Args:
        seed: Of the portrait's movement.

    Raises:
        UnavailableError: The portrait's package is not installed.
    """
    return Streams(
        camera=f"virtual:?image={portrait()}&seed={seed}",
        microphone=f"wav:{ASSETS / 'demo_voice.wav'}?loop=true",
        eeg=f"npz:{ASSETS / 'demo_eeg.npz'}?loop=true",
    )
