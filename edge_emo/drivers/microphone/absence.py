"""How often PortAudio is started for an input that it does not list.

Each start of PortAudio on ALSA costs some memory for good (seen with V19.6). A microphone that is
away for months must not use up the memory of a kiosk by being looked for every ten seconds.
"""

from __future__ import annotations

import os
from pathlib import Path

_FREELY = 10
"""Searches in vain after which one is saved where nothing changed: those of a minute."""
_REST_NS = 300_000_000_000
"""After this long it is looked for anyway: whoever kept it busy may have gone."""
_DEVICES = Path("/dev/snd")

Devices = tuple[tuple[str, int, int, int], ...]


class Absence:
    """Remembers searches in vain, and what sound devices there were then."""

    def __init__(self, folder: Path = _DEVICES) -> None:
        self._folder = folder
        self._devices: Devices = ()
        self._count = 0
        self._searched_ns = 0

    def note(self, now_ns: int) -> None:
        """Take note of a search that found nothing."""
        found = _devices(self._folder)
        self._count = self._count + 1 if found == self._devices else 1
        self._devices, self._searched_ns = found, now_ns

    def end(self) -> None:
        """Forget everything: it was found."""
        self._count = 0

    def lasts(self, now_ns: int) -> bool:
        """Tell whether a search would be in vain, as far as can be known without one."""
        if self._count < _FREELY or not 0 <= now_ns - self._searched_ns < _REST_NS:
            return False  # a session clock may have begun anew
        return _devices(self._folder) == self._devices


def _devices(folder: Path) -> Devices:
    """Return name, number, mode and group of each sound device; udev may change them late."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                facts = entry.stat(follow_symlinks=False)
                found.append((entry.name, facts.st_ino, facts.st_mode, facts.st_gid))
    except OSError:  # no sound card at all, or one that goes this moment
        return ()
    return tuple(sorted(found))
