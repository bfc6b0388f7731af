"""One session: everything that exists between opening and closing a pipeline."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edge_emo.clock import Clock
from edge_emo.config import Config
from edge_emo.drivers.base import Driver
from edge_emo.drivers.capture import Capture
from edge_emo.errors import ConfigError, EdgeEmoError
from edge_emo.pipeline import plan
from edge_emo.pipeline.engine import Engine, Served
from edge_emo.pipeline.hub import Hub
from edge_emo.pipeline.lane import Lane, close_lanes
from edge_emo.pipeline.mute import Mutes
from edge_emo.pipeline.trace import Trace
from edge_emo.sinks.base import Sink, SinkRunner
from edge_emo.sync.align import LatestJoin, ReproducibleJoin
from edge_emo.sync.delivery import Bell, Mailbox, Policy
from edge_emo.types import Face, Kind, Modality, Prediction, StreamInfo

PREDICTIONS = "predictions"
"""Name of the mailbox that recorded predictions come through."""


class Session:
    """Owns threads, mailboxes and models.

    Args:
        config: What the pipeline was told.
        drivers: One per stream, none of them open.
        runners: The sinks, none of them open.
        clock: The session clock.
        trace: Where durations go.
        predictions: Recorded predictions to fuse again, in their order; None when live.
        events: Of a recorded session; its mutes hold again.
    """

    def __init__(
        self,
        config: Config,
        drivers: Mapping[Kind, Driver],
        runners: Sequence[SinkRunner],
        clock: Clock,
        trace: Trace,
        predictions: Iterable[Prediction] | None = None,
        events: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.clock = clock
        self._mutes = Mutes(clock, events)
        self._config = config
        self._reproducible = config.states.join == "reproducible"
        self.hub = Hub(lossless=self._reproducible)
        self._trace = trace
        self._runners = runners
        self._predictions = predictions
        self._bell = Bell()
        self._boxes: dict[str, Mailbox[Served]] = {}
        self._lanes: dict[str, Lane] = {}
        self._engine: Engine | None = None
        self.captures = {kind: self._capture(driver) for kind, driver in drivers.items()}

    @property
    def engine(self) -> Engine:
        """The engine of an open session."""
        assert self._engine is not None, "the session is not open"
        return self._engine

    def open(self) -> None:
        """Open devices and models; on failure close what was opened, and leave no file.

        Raises:
            EdgeEmoError: The first thing that failed.
        """
        with contextlib.ExitStack() as undo:
            for runner in self._runners:
                undo.callback(runner.discard)
            undo.callback(self._stop)
            self._open()
            undo.pop_all()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop every thread that answers; abandon those that do not.

        What comes last is closed also when something before it is interrupted, as by Ctrl-C.

        Args:
            timeout_s: Longest wait for the engine.
        """
        with contextlib.ExitStack() as last:
            for runner in reversed(self._runners):
                last.callback(runner.close)
            last.callback(self._stop, timeout_s)

    def _stop(self, timeout_s: float = 5.0) -> None:
        """Stop what gives the sinks anything."""
        with contextlib.ExitStack() as last:
            last.callback(self._close_models)
            self.hub.end()
            if self._engine is not None:
                self._engine.stop(timeout_s)
            for box in self._boxes.values():
                box.end()
            self._stop_captures()

    def streams(self) -> dict[Kind, StreamInfo]:
        """Return the streams as their drivers opened them."""
        return {kind: c.info for kind, c in self.captures.items() if c.info is not None}

    def failures(self) -> list[EdgeEmoError]:
        """Return what failed for good so far: streams, sinks, an engine that does not end."""
        found = [capture.failure for capture in self.captures.values()]
        found += [runner.error for runner in self._runners]
        found += [self._engine.failure] if self._engine else []
        return [error for error in found if error]

    def failed_sinks(self) -> list[Sink]:
        """Return the sinks that take nothing more."""
        return [runner.sink for runner in self._runners if runner.error]

    def packages(self) -> dict[Modality, str]:
        """Return the model package of each modality that is estimated."""
        return {lane.modality: lane.model_id for lane in self._lanes.values() if lane.model_id}

    def faces(self) -> tuple[Face, ...]:
        """Return every face that is followed, as of the last frame taken."""
        lane = self._lanes.get("camera")
        return lane.faces if lane else ()

    def lane(self, modality: Modality) -> Lane:
        """Return the stream that gives a modality.

        Raises:
            ConfigError: There is none.
        """
        for lane in self._lanes.values():
            if lane.modality == modality:
                return lane
        raise ConfigError(
            f"no stream gives {modality}",
            hint=f"this session has: {', '.join(lane.modality for lane in self._lanes.values())}",
        )

    def over(self, modality: Modality) -> bool:
        """Tell whether nothing more comes of a modality."""
        return self.hub.ended or self._boxes[self.lane(modality).kind].finished

    def personal(self) -> list[Modality]:
        """Return the modalities of which a baseline is taken unasked."""
        return [lane.modality for lane in self._lanes.values() if lane.knows_rest]

    def modalities(self) -> list[Modality]:
        """Return the modalities that streams give."""
        return [lane.modality for lane in self._lanes.values()]

    def mute(self, modality: Modality, reason: str) -> None:
        """Read nothing of a modality from now on, and tell the sinks.

        Raises:
            ConfigError: No such modality, or no reason.
        """
        self._tell(self._mutes.mute(modality, reason))

    def unmute(self, modality: Modality) -> None:
        """Read a modality again, and tell the sinks.

        Raises:
            ConfigError: No such modality.
        """
        self._tell(self._mutes.unmute(modality))

    def _stop_captures(self) -> None:
        stops = [threading.Thread(target=c.stop, daemon=True) for c in self.captures.values()]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()

    def _close_models(self) -> None:
        if self._engine is None:  # nothing ran them yet
            close_lanes(self._lanes.values())
        else:
            self._engine.close()

    def _tell(self, event: Mapping[str, Any] | None) -> None:
        if event is not None:
            for runner in self._runners:
                runner.put(event)

    def _open(self) -> None:
        for capture in self.captures.values():
            capture.start()
        reliability = self._load_models()
        for capture in self.captures.values():
            capture.wait_open(self._config.states.open_timeout_s)
        for kind, info in self.streams().items():
            self._check(kind, info)
            self._lanes[kind].prepare(info)
        for runner in self._runners:
            runner.open({str(kind): i for kind, i in self.streams().items()}, self.clock)
        self._feed_predictions()
        self._engine = self._make_engine(reliability)

    def _load_models(self) -> dict[Modality, float]:
        reliability: dict[Modality, float] = {}
        for kind, capture in self.captures.items():
            loaded = plan.make_estimator(kind, self._config.models, self.clock, self._config.face)
            lane = Lane(capture, loaded.estimator, self._trace, self._mutes)
            self._lanes[kind] = lane
            reliability[lane.modality] = loaded.reliability
        return reliability

    def _make_engine(self, reliability: Mapping[Modality, float]) -> Engine:
        join = ReproducibleJoin if self._reproducible else LatestJoin
        return Engine(
            self._lanes,
            join(self._boxes, self._bell),
            plan.make_fusion(self._config.fusion, reliability),
            self.hub,
            self._runners,
            self.clock,
            self._config.states.rate_hz,
            self._trace,
        )

    def _capture(self, driver: Driver) -> Capture:
        policy, capacity = plan.policy_of(driver.kind, reproducible=self._reproducible)
        box: Mailbox[Served] = Mailbox(policy, capacity, self._bell)
        self._boxes[driver.kind] = box
        patient = self._config.states.wait_for_devices
        return Capture(driver, self.clock, box.put, box.end, patient=patient)

    def _check(self, kind: Kind, info: StreamInfo) -> None:
        if self._reproducible and info.live:
            raise ConfigError(
                f"the {kind} is live and cannot be reproduced: {info.device}",
                hint="record it first: edge-emo record --raw; then: edge-emo replay",
            )

    def _feed_predictions(self) -> None:
        if self._predictions is None:
            return
        box: Mailbox[Served] = Mailbox(Policy.LOSSLESS, 64, self._bell)
        self._boxes[PREDICTIONS] = box
        feeder = threading.Thread(target=self._feed, args=(self._predictions, box), daemon=True)
        feeder.start()

    def _feed(self, predictions: Iterable[Prediction], box: Mailbox[Served]) -> None:
        try:
            for prediction in predictions:
                if not box.put(prediction):
                    return
        except Exception as error:  # whatever it is, the reader raises it
            self.hub.end(error)
        finally:
            box.end()
