"""The one thread that serves the streams: stamps, estimates, fuses and publishes."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Mapping, Sequence

from edge_emo.clock import Clock, ReplayClock
from edge_emo.drivers.capture import Delivery
from edge_emo.errors import EdgeEmoError
from edge_emo.fusion.base import Fusion
from edge_emo.pipeline.hub import Hub
from edge_emo.pipeline.lane import Lane, close_lanes
from edge_emo.pipeline.pacer import Pacer
from edge_emo.pipeline.trace import Trace
from edge_emo.sinks.base import SinkRunner
from edge_emo.sync.align import Join
from edge_emo.types import EmotionState, Modality, Prediction, StreamHealth

_log = logging.getLogger(__name__)

Served = Delivery | Prediction
"""What a mailbox holds: a chunk on its way, or a prediction out of a recording."""


class Engine:
    """Runs a session until its streams end or it is stopped; whoever runs the models closes them.

    Args:
        lanes: The streams by name.
        join: The order in which they are served.
        fusion: Takes predictions, gives both sides of the state.
        hub: Where states go to readers.
        sinks: Where states, and for recorders everything else, go.
        clock: The session clock. A replay clock is moved by the engine, to each originating
            time that it reaches, so that nothing depends on the speed of the host.
        rate_hz: States per second.
        trace: Where durations go.

    Attributes:
        failure: Why the engine could not be stopped; None while all is well.
    """

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        join: Join[Served],
        fusion: Fusion,
        hub: Hub,
        sinks: Sequence[SinkRunner],
        clock: Clock,
        rate_hz: float,
        trace: Trace,
    ) -> None:
        self._lanes = lanes
        self._join = join
        self._fusion = fusion
        self._hub = hub
        self._sinks = sinks
        self._recorders = [runner for runner in sinks if runner.sink.wants_all]
        self.failure: EdgeEmoError | None = None
        self._clock = clock
        self._replay = clock if isinstance(clock, ReplayClock) else None
        self._pacer = Pacer(rate_hz, clock.now_ns())
        self._trace = trace
        self._newest: dict[Modality, Prediction] = {}
        self._gone: dict[str, str | None] = {}
        self._failed: list[SinkRunner] = []
        self._seq = 0
        self._stop = threading.Event()
        self._starting = threading.Lock()
        # These two are never waited for: a signal handler may close inside any call.
        self._closing = threading.Lock()
        self._handing = threading.Lock()  # who comes to it second closes the models
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Start the thread, unless it was started before; any thread may call."""
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop after the item at hand; :attr:`failure` tells of one that takes longer."""
        self._stop.set()
        self._join.wake()
        if not self._thread.is_alive() or self._thread is threading.current_thread():
            return
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self.failure = EdgeEmoError(
                f"the engine did not end within {timeout_s:g} s; it closes its models when it does",
                hint="run the model with another backend (--backend), or look what a callback does",
            )
            _log.error("%s", self.failure)

    def close(self) -> None:
        """Close the models of an engine that was stopped, or leave them to its thread.

        The thread closes them as it ends when it has not ended by now: a backend that is closed
        while it runs may crash the process.
        """
        if not self._closing.acquire(blocking=False):
            return
        if self._thread.ident is None or not self._handing.acquire(blocking=False):
            close_lanes(self._lanes.values())

    def _run(self) -> None:
        try:
            self._serve_all()
        finally:
            if not self._handing.acquire(blocking=False):
                close_lanes(self._lanes.values())

    def _serve_all(self) -> None:
        try:
            while not self._stop.is_set() and not self._join.ended:
                self._step()
            if not self._stop.is_set():
                self._join.take()  # the join now knows that every stream has finished
                self._publish(self._clock.now_ns())
        except BaseException as error:
            self._hub.end(error)
        else:
            self._hub.end()

    def _step(self) -> None:
        served = False
        for name, item in self._join.take():
            if self._stop.is_set():
                return
            served = True
            if self._replay is not None and not self._reach_in_replay(item.end_ns):
                return
            self._serve(name, item)
        if self._replay is None:
            self._reach(self._clock.now_ns())
        if not served or self._replay is None:  # live: what came meanwhile has rung the bell
            self._join.wait(self._patience_s())

    def _patience_s(self) -> float:
        if self._replay is not None:
            return 0.5
        return max(self._pacer.deadline_ns - self._clock.now_ns(), 0) / 1e9

    def _reach(self, t_ns: int) -> None:
        """Make the state that is due at ``t_ns`` of a live session for want of evidence."""
        if t_ns >= self._pacer.deadline_ns:
            self._starve(t_ns)

    def _reach_in_replay(self, t_ns: int) -> bool:
        """Make the states that are due before ``t_ns``; False when stopped before it is due."""
        while (deadline_ns := self._pacer.deadline_ns) < t_ns and self._move(deadline_ns):
            self._starve(deadline_ns)
        return self._move(t_ns)

    def _move(self, t_ns: int) -> bool:
        """Move the replay clock to ``t_ns`` once that is due; False when stopped before."""
        assert self._replay is not None
        due = self._replay.due(t_ns, self._stop)
        if due:
            self._replay.advance_to(t_ns)
        return due

    def _serve(self, name: str, item: Served) -> None:
        if isinstance(item, Prediction):
            self._accept(item)
            return
        lane = self._lanes[name]
        mark, now_ns = self._trace.start(), self._clock.now_ns()
        chunk = lane.stamp(item, now_ns)
        if self._recorders:
            kept = lane.keepable(chunk)
            for runner in self._recorders:
                runner.chunk(kept, item.info)
        self._trace.stop("synchronisation", mark)
        self._trace.note(lane.delivery_stage, now_ns - item.ready_ns)
        waited_ns = 0 if self._replay is not None else now_ns - item.arrived_ns
        for prediction in lane.predict(chunk, waited_ns):
            self._accept(prediction)

    def _accept(self, prediction: Prediction) -> None:
        self._newest[prediction.modality] = prediction
        self._fusion.update(prediction)
        for runner in self._recorders:
            runner.put(prediction)
        now_ns = self._clock.now_ns()
        if self._pacer.evidence(now_ns):
            self._publish(now_ns)

    def _starve(self, t_ns: int) -> None:
        self._pacer.starved(t_ns)
        self._publish(t_ns)

    def _publish(self, t_ns: int) -> None:
        mark = self._trace.start()
        state = self._state(t_ns)
        self._trace.stop("fusion", mark)
        self._trace.note("latency", state.latency_ns)
        mark = self._trace.start()
        for runner in self._sinks:
            runner.put(state)
            self._check_sink(runner, t_ns)
        self._hub.publish(state)
        self._trace.stop("publication", mark)

    def _check_sink(self, runner: SinkRunner, t_ns: int) -> None:
        if runner.error is None or runner in self._failed:
            return
        self._failed.append(runner)
        _log.error("%s takes nothing more: %s", runner.name, runner.error)
        self._tell(t_ns, runner.name, str(runner.error))

    def _state(self, t_ns: int) -> EmotionState:
        health = {name: self._check(name, lane, t_ns) for name, lane in self._lanes.items()}
        fused = self._fusion.fuse(t_ns)
        newest_ns = max((p.end_ns for p in self._newest.values()), default=t_ns)
        state = EmotionState(
            t_ns=t_ns,
            seq=self._seq,
            latency_ns=max(self._clock.now_ns() - newest_ns, 0),
            expressed=fused.expressed,
            felt=fused.felt,
            divergence=fused.divergence,
            by_modality=dict(self._newest),
            health=health,
            reason=fused.reason,
        )
        self._seq += 1
        return state

    def _check(self, name: str, lane: Lane, t_ns: int) -> StreamHealth:
        finished = self._join.finished(name)
        gone = lane.gone(finished=finished)
        if gone is not None and not finished:
            self._fusion.lost(lane.modality)
        if gone != self._gone.get(name):
            self._gone[name] = gone
            self._tell(t_ns, name, gone)
        health = lane.health(t_ns, gone)
        doubt = self._fusion.doubts().get(lane.modality)
        return _doubted(health, lane.modality, doubt) if doubt else health

    def _tell(self, t_ns: int, stream: str, gone: str | None) -> None:
        event = {"t_ns": t_ns, "stream": stream, "event": "gone" if gone else "back"}
        for runner in self._sinks:
            runner.put({**event, "reason": gone or ""})


def _doubted(health: StreamHealth, modality: Modality, doubt: str) -> StreamHealth:
    reason = "; ".join(part for part in (health.reason, f"{modality} {doubt}") if part)
    return dataclasses.replace(health, valid=False, reason=reason)
