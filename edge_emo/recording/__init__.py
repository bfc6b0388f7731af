"""Session folders: writing them crash-safe, and reading them back."""

from __future__ import annotations

from edge_emo.recording.header import Header as Header
from edge_emo.recording.reader import Recording as Recording
from edge_emo.recording.writer import Writer as Writer
