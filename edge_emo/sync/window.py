"""Cutting a sampled stream into windows of fixed length."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from edge_emo.errors import ConfigError
from edge_emo.sync.ring import Ring
from edge_emo.types import Chunk, Window


class Windower:
    """Cuts chunks of any size into overlapping windows.

    A window never spans a loss: a chunk whose ``seq`` does not continue the one before drops
    what was gathered and starts afresh. NaN and constant samples pass through unchanged; the
    estimator judges them.

    Args:
        length_s: Length of a window in seconds, rounded to whole samples.
        hop_s: Distance between the beginnings of two windows in seconds, rounded to whole
            samples, at least one. May exceed the length.
        rate_hz: Samples per second.
        channels: Columns of each sample.
        first_s: Length of the first window in seconds; the next ones grow by a hop each up to
            ``length_s``, so that the first estimate need not wait. ``length_s`` when None.

    Attributes:
        n_samples: Samples per full window.
        hop_samples: Samples between the beginnings of two windows.
        gaps: How often ``seq`` did not continue, since construction.

    Raises:
        ConfigError: A length, hop or rate that is not positive, or a window without a sample.
    """

    def __init__(
        self,
        length_s: float,
        hop_s: float,
        rate_hz: float,
        channels: int,
        *,
        first_s: float | None = None,
    ) -> None:
        if not (rate_hz > 0 and hop_s > 0 and length_s * rate_hz >= 0.5):
            raise ConfigError(
                f"no windows of {length_s} s every {hop_s} s can be cut at {rate_hz} Hz",
                hint="window length, hop and sampling rate must be positive",
            )
        self.n_samples = max(1, round(length_s * rate_hz))
        self.hop_samples = max(1, round(hop_s * rate_hz))
        shortest = self.n_samples if first_s is None else round(first_s * rate_hz)
        self._first_samples = min(self.n_samples, max(1, shortest))
        self.gaps = 0
        self._rate_hz = rate_hz
        self._channels = channels
        # Room for one hop more than a window keeps a view intact until the next window is cut.
        self._ring = Ring(self.n_samples + self.hop_samples, channels)
        self._stamps: deque[tuple[int, int]] = deque()
        self._first_seq = self._window_end = 0
        self._cutting: Iterator[Window] = iter(())
        self._started = False

    def push(self, chunk: Chunk) -> Iterator[Window]:
        """Take a chunk and cut each window that it completes.

        Args:
            chunk: Samples of shape (n, channels) at the windower's rate.

        Returns:
            The windows in order, cut while iterating: the data of one is a view that is valid
            until the next is cut. What is not iterated is skipped at the next ``push``.

        Raises:
            ConfigError: The chunk has another rate or other channels.
        """
        self._check(chunk)
        deque(self._cutting, maxlen=0)
        if not self._started or chunk.seq != self._ring.end_seq:
            self.gaps += self._started
            self._restart(chunk.seq)
        if chunk.n_samples:
            self._stamps.append((chunk.seq, chunk.t_ns))
        self._cutting = self._cut(chunk)
        return self._cutting

    def reset(self) -> None:
        """Forget everything gathered; the next chunk may begin anywhere. Counts no gap."""
        self._cutting = iter(())
        self._started = False

    def _restart(self, seq: int) -> None:
        self._ring.clear(seq)
        self._stamps.clear()
        self._first_seq, self._window_end = seq, seq + self._first_samples
        self._started = True

    def _check(self, chunk: Chunk) -> None:
        if chunk.rate_hz != self._rate_hz:
            raise ConfigError(
                f"stream {chunk.stream!r} has {chunk.rate_hz} Hz, windows are cut at "
                f"{self._rate_hz} Hz",
                hint="start the estimator again when its stream was opened at another rate",
            )
        shape = chunk.samples.shape
        if len(shape) != 2 or shape[1] != self._channels:
            raise ConfigError(
                f"stream {chunk.stream!r} has samples of shape {shape}, windows have "
                f"{self._channels} channels",
                hint="start the estimator again when its stream has other channels",
            )

    def _cut(self, chunk: Chunk) -> Iterator[Window]:
        samples = chunk.samples
        while len(samples):
            missing = self._window_end - self._ring.end_seq
            self._ring.extend(samples[:missing])
            if len(samples) >= missing:
                yield self._window(chunk)
            samples = samples[missing:]

    def _window(self, chunk: Chunk) -> Window:
        length = min(self.n_samples, self._window_end - self._first_seq)
        seq = self._window_end - length
        self._window_end += self.hop_samples
        t_ns = self._time_ns(seq)
        return Window(chunk.stream, seq, t_ns, self._rate_hz, self._ring.last(length))

    def _time_ns(self, seq: int) -> int:
        """Time of a sample, counted at the nominal rate from the stamp of its own chunk."""
        while len(self._stamps) > 1 and self._stamps[1][0] <= seq:
            self._stamps.popleft()
        first_seq, t_ns = self._stamps[0]
        return t_ns + round((seq - first_seq) * 1e9 / self._rate_hz)
