"""One stream inside the engine: its mailbox, clock fit, health and estimator."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator

from edge_emo.drivers.capture import Capture, Delivery, Status
from edge_emo.errors import ClosedError, ConfigError, EdgeEmoError
from edge_emo.estimators.base import Estimator
from edge_emo.estimators.baseline import Baseline
from edge_emo.fusion.base import LIFETIME_S
from edge_emo.pipeline.mute import REPEAT_NS, Mutes, blank
from edge_emo.pipeline.rest import Rest
from edge_emo.pipeline.trace import Trace
from edge_emo.sync.dejitter import Dejitter, needs_dejitter
from edge_emo.sync.health import HealthTracker
from edge_emo.types import (
    MODALITY_OF,
    Chunk,
    Face,
    Kind,
    Modality,
    Prediction,
    StreamHealth,
    StreamInfo,
    abstention,
)

_SAMPLED: tuple[Kind, ...] = ("microphone", "eeg", "physio")
"""Streams that can be taken up anywhere; every line of text counts, and frames do not queue."""
_CAUGHT_UP_NS = 100_000_000


class Lane:
    """Serves one stream; used by the engine thread only.

    Args:
        capture: The thread that fills the mailbox.
        estimator: What estimates the stream, or None when no model package exists for it.
        trace: Where durations go.
        mutes: What is not to be read; nothing is muted when None.
    """

    def __init__(
        self,
        capture: Capture,
        estimator: Estimator | None,
        trace: Trace,
        mutes: Mutes | None = None,
    ) -> None:
        self.capture = capture
        self.kind: Kind = capture.driver.kind
        self.modality: Modality = estimator.modality if estimator else MODALITY_OF[self.kind]
        self._estimator = estimator
        self._trace = trace
        self._mutes = mutes
        self._told_ns: int | None = None
        self._health: HealthTracker | None = None
        self._dejitter: Dejitter | None = None
        self.delivery_stage = f"{self.kind} delivery"
        self._features_stage = f"{self.modality} features"
        self._inference_stage = f"{self.modality} inference"
        self._refusal = ""
        self._info: StreamInfo | None = None
        self._asking = threading.RLock()  # a signal handler may ask inside a call
        self._rest_asked: Rest | None = None
        self._rest: Rest | None = None
        self._generation = -1
        self._dropped = 0
        self._behind = False

    @property
    def model_id(self) -> str:
        """Package that estimates the stream; empty when there is none."""
        return self._estimator.model_id if self._estimator else ""

    @property
    def faces(self) -> tuple[Face, ...]:
        """Every face that is followed; none while lost or muted. Any thread may ask."""
        withheld = self._told_ns is not None
        if self._estimator is None or withheld or self.capture.status is Status.LOST:
            return ()
        return self._estimator.faces

    def prepare(self, info: StreamInfo) -> None:
        """Get ready for the stream as it was opened.

        Raises:
            ConfigError: The stream cannot feed the model.
        """
        if self._estimator:
            self._estimator.start(info)

    def gone(self, *, finished: bool) -> str | None:
        """Return why nothing comes any more, or None while the stream goes on.

        Args:
            finished: The stream has ended and everything of it was served.
        """
        if finished:
            return str(self.capture.error or "the source has ended")
        error = self.capture.error  # it may come back meanwhile
        return str(error) if error and self.capture.status is Status.LOST else None

    def stamp(self, delivery: Delivery, now_ns: int) -> Chunk:
        """Return the delivered chunk with its time corrected, and note its health."""
        if delivery.generation != self._generation:
            self._restart(delivery)
        chunk = self._dejitter.stamp(delivery.chunk) if self._dejitter else delivery.chunk
        assert self._health is not None
        self._health.chunk(chunk, now_ns)
        if delivery.dropped > self._dropped:
            self._health.drop(delivery.dropped - self._dropped)
            self._dropped = delivery.dropped
        return chunk

    def keepable(self, chunk: Chunk) -> Chunk:
        """Return what a recorder may have of a chunk: of a muted one, that there was one."""
        return blank(chunk) if self._why_muted(chunk) else chunk

    def predict(self, chunk: Chunk, waited_ns: int = 0) -> Iterator[Prediction]:
        """Yield the prediction of each window that ``chunk`` completes, if it is to be fused.

        A chunk that is muted, or has waited too long, never reaches the estimator, for which
        the samples jump: it begins afresh behind them.

        Args:
            chunk: Stamped.
            waited_ns: How long it lay in the mailbox; 0 in replay.
        """
        withheld = self._why_muted(chunk) or self._overdue(chunk, waited_ns)
        if withheld:
            yield from self._withheld(chunk, withheld)
            return
        self._told_ns = None
        if self._estimator is None or self._refusal:
            reason = self._refusal or f"no model package estimates {self.modality}"
            self._give_up_rest(ConfigError(reason))
            yield abstention(self.modality, chunk.t_ns, 0, reason)
            return
        rest = self._begin_rest()
        mark = self._trace.start()
        ready = self._estimator.features(chunk)
        self._trace.stop(self._features_stage, mark)
        if rest is not None:
            rest.add(ready)
        for features in ready:
            mark = self._trace.start()
            prediction = self._estimator.predict(features)
            self._trace.stop(self._inference_stage, mark)
            if features.counts:
                yield prediction

    def take_rest(self, seconds: float, valid_s: float) -> Rest:
        """Have the person's baseline taken from the next windows; any thread may call.

        It takes the place of one that is being taken.

        Raises:
            ConfigError: No model estimates the stream, or it knows no baseline.
        """
        if self._estimator is None:
            raise ConfigError(f"no model package estimates {self.modality}")
        self._estimator.require_rest()
        rest = Rest(self._estimator, seconds, valid_s)
        with self._asking:
            replaced, self._rest_asked = self._rest_asked, rest
        if replaced is not None:
            replaced.fail(_taken_anew(self.modality))
        return rest

    def adopt(self, baseline: Baseline | None) -> None:
        """Use a baseline; None forgets the one in use, and gives up one that is being taken.

        Any thread may call.

        Raises:
            ConfigError: It does not fit the model.
        """
        if baseline is None:
            self._give_up_rest(ClosedError(f"the baseline of {self.modality} was erased"))
        if self._estimator is not None:
            self._estimator.adopt(baseline)
        elif baseline is not None:
            raise ConfigError(f"no model package estimates {self.modality}")

    @property
    def knows_rest(self) -> bool:
        """True when a baseline was measured to help the stream's model."""
        return self._estimator is not None and self._estimator.personal

    def _why_muted(self, chunk: Chunk) -> str | None:
        if self._mutes is None:
            return None
        return self._mutes.reason(self.modality, chunk.t_ns, chunk.end_ns)

    def _overdue(self, chunk: Chunk, waited_ns: int) -> str:
        """Return why a chunk is left out: the processor does not keep up. Empty when it does.

        What waited for longer than an estimate of it would stay true is left out, and all that
        follows until the backlog is gone: estimates are then made of a stretch without gaps.
        """
        limit_ns = _CAUGHT_UP_NS if self._behind else LIFETIME_S[self.modality] * 1e9
        self._behind = self.kind in _SAMPLED and waited_ns > limit_ns
        if not self._behind:
            return ""
        assert self._health is not None
        self._health.skip(chunk.n_samples)
        return "left out: it waited too long for the processor"

    def _withheld(self, chunk: Chunk, reason: str) -> Iterator[Prediction]:
        """Abstain with a reason, at the first chunk that it holds for and then now and then."""
        if self._told_ns is None or chunk.t_ns >= self._told_ns + REPEAT_NS:
            self._told_ns = chunk.t_ns
            yield abstention(self.modality, chunk.t_ns, chunk.end_ns - chunk.t_ns, reason)

    def health(self, now_ns: int, gone: str | None) -> StreamHealth:
        """Return the condition of the stream; ``gone`` is why nothing comes any more."""
        if self._health is None:
            return self._before_first(now_ns, gone)
        if gone is not None:
            self._health.lost(gone)
        if self._dejitter is not None:
            self._health.drift_ppm = self._dejitter.drift_ppm
        return self._health.snapshot(now_ns)

    def close(self) -> None:
        """Release the model."""
        if self._estimator:
            self._estimator.close()

    def _before_first(self, now_ns: int, gone: str | None) -> StreamHealth:
        """Nobody need have written a line yet; of any other stream something should have come."""
        if self.kind == "text" and self.capture.info is not None and gone is None:
            return HealthTracker(self.kind, self.capture.info).snapshot(now_ns)
        return _nothing_yet(self.kind, gone or "nothing has arrived yet")

    def _begin_rest(self) -> Rest | None:
        """Return the baseline that is being taken; its first window begins after it was asked."""
        with self._asking:
            rest, asked, self._rest_asked = self._rest, self._rest_asked, None
            self._rest = asked or (None if rest is None or rest.done else rest)
            begun = self._rest
        if asked is not None and self._estimator is not None and self._info is not None:
            if rest is not None:
                rest.fail(_taken_anew(self.modality))
            self._estimator.adopt(None)
            self._estimator.start(self._info)
        return begun

    def _give_up_rest(self, error: EdgeEmoError) -> None:
        with self._asking:
            given_up = (self._rest_asked, self._rest)
            self._rest_asked = self._rest = None
        for rest in given_up:
            if rest is not None:
                rest.fail(error)

    def _refused(self, info: StreamInfo) -> str:
        """Why the stream as it was opened now cannot feed the model; the others go on."""
        try:
            self.prepare(info)
        except ConfigError as error:
            return str(error)
        return ""

    def _restart(self, delivery: Delivery) -> None:
        self._info = info = delivery.info
        self._refusal = self._refused(info)
        self._dejitter = Dejitter(info.rate_hz) if needs_dejitter(info) else None
        if self._health is None:
            self._health = HealthTracker(self.kind, info)
        else:
            self._health.reconnected(info)
        self._generation, self._dropped = delivery.generation, 0


def close_lanes(lanes: Iterable[Lane]) -> None:
    """Close every lane, also behind one that fails to close."""
    with contextlib.ExitStack() as all_of_them:
        for lane in lanes:
            all_of_them.callback(lane.close)


def _taken_anew(modality: Modality) -> ClosedError:
    return ClosedError(f"another baseline of {modality} was asked for before this one was taken")


def _nothing_yet(stream: str, reason: str) -> StreamHealth:
    return StreamHealth(
        stream=stream,
        alive=False,
        rate_ok=False,
        valid=False,
        age_ns=None,
        rate_hz=0.0,
        drops=0,
        drift_ppm=0.0,
        reconnects=0,
        reason=reason,
    )
