"""The public pipeline: open devices, read states, close."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edge_emo.clock import Clock, MonotonicClock, ReplayClock
from edge_emo.config import Config, States, Streams, read_config
from edge_emo.drivers.text.push import PushedText
from edge_emo.errors import ClosedError, ConfigError, EdgeEmoError, StaleError
from edge_emo.estimators.baseline import VALID_S, Baseline, erase
from edge_emo.pipeline import plan
from edge_emo.pipeline.rest import results, results_of_some
from edge_emo.pipeline.session import Session
from edge_emo.pipeline.trace import Trace
from edge_emo.recording import Recording
from edge_emo.sinks.base import Sink, SinkRunner
from edge_emo.types import (
    EmotionState,
    Face,
    Kind,
    Modality,
    Prediction,
    StreamInfo,
    Utterance,
    Word,
)

if TYPE_CHECKING:
    from typing_extensions import Self

_LONGEST_S = 86_400.0


class Pipeline:
    """Reads streams and gives emotion states.

    ::

        with Pipeline(camera="opencv:0", microphone="portaudio:default") as pipeline:
            for state in pipeline:
                print(state.label, state.confidence)

    A session that can be reproduced (``states.join = "reproducible"``) starts its engine with
    the first reader, so that no state is missed; a live one likewise.

    Args:
        camera: Address or driver of the camera. Any subset of the streams works.
        microphone: Address or driver of the microphone.
        eeg: Address or driver of the EEG board.
        physio: Address or driver of pulse and skin sensors.
        text: Address or driver of text; ``"push:"`` for :meth:`push_text`.
        config: A configuration, or the path of a TOML file; streams named here override it.
        sinks: Addresses or sinks, in addition to the configuration's.
        clock: The session clock; live time when None, a replay clock for reproducible sessions.
        trace: Where durations go; nowhere by default.

    Raises:
        ConfigError: No stream, or something about the configuration is wrong.
    """

    def __init__(
        self,
        camera: plan.Source | None = None,
        microphone: plan.Source | None = None,
        eeg: plan.Source | None = None,
        physio: plan.Source | None = None,
        text: plan.Source | None = None,
        *,
        config: Config | str | Path | None = None,
        sinks: Sequence[str | Sink] = (),
        clock: Clock | None = None,
        trace: Trace | None = None,
    ) -> None:
        given: dict[Kind, plan.Source | None] = {
            "camera": camera,
            "microphone": microphone,
            "eeg": eeg,
            "physio": physio,
            "text": text,
        }
        known = config if isinstance(config, Config) else _read(config)
        self._build(known, given, sinks, clock, trace, None)

    def _build(
        self,
        config: Config,
        given: Mapping[Kind, plan.Source | None],
        sinks: Sequence[str | Sink],
        clock: Clock | None,
        trace: Trace | None,
        predictions: Iterable[Prediction] | None,
        events: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        _check(config.states)
        self.config = config
        sources = plan.choose_sources(config, given) if predictions is None else {}
        self._drivers = {kind: plan.make_driver(kind, src) for kind, src in sources.items()}
        self._runners = [
            SinkRunner(sink, lossless=self._reproducible)
            for sink in plan.make_sinks([*config.sinks, *sinks])
        ]
        self._clock_given = clock
        self._trace = trace or Trace()
        self._predictions = predictions
        self._events = events
        self._session: Session | None = None
        self._closed = False
        self._failed: list[EdgeEmoError] = []

    @classmethod
    def from_config(cls, path: str | Path) -> Pipeline:
        """Return a pipeline as a TOML file describes it.

        Raises:
            ConfigError: The message names file and key.
        """
        return cls(config=read_config(path))

    @classmethod
    def replay(
        cls,
        folder: str | Path,
        *,
        speed: float = 0.0,
        repair: bool = False,
        config: Config | str | Path | None = None,
        sinks: Sequence[str | Sink] = (),
        trace: Trace | None = None,
    ) -> Pipeline:
        """Return a pipeline that runs a recorded session again, reproducibly.

        Raw signals are estimated again, with the mutes of the session; a session recorded
        without them has its predictions fused again. The same recording gives the same states,
        bit for bit.

        Args:
            folder: A recorded session.
            speed: 1 is real time; 0 is as fast as the machine allows. States do not depend on it.
            repair: End a stream quietly where the recording is damaged; otherwise the stream
                fails there, which :attr:`failures` and its health say.
            config: Models, fusion and rate; its streams are ignored.
            sinks: Where states go.
            trace: Where durations go.

        Raises:
            RecordingError: The folder is no session, or a newer version wrote it.
        """
        recording = Recording(folder, repair=repair)
        address = f"replay:{folder}?repair={str(repair).lower()}"
        given = config if isinstance(config, Config) else _read(config)
        states = dataclasses.replace(given.states, join="reproducible")
        streams = Streams(**dict.fromkeys(recording.raw_kinds, address))
        pipeline = cls.__new__(cls)
        replayed = dataclasses.replace(given, streams=streams, states=states)
        predictions = None if recording.raw_kinds else recording.predictions()
        events = recording.events() if recording.raw_kinds else ()
        pipeline._build(replayed, {}, sinks, ReplayClock(speed), trace, predictions, events)
        return pipeline

    def open(self) -> Self:
        """Load the models and open the devices, all at once; start capturing.

        Raises:
            DeviceError: A device cannot be opened; the others are closed again.
            ModelError: A model cannot be used.
            UnavailableError: A package is missing.
            ConfigError: A stream cannot feed its model, or cannot be reproduced.
            ClosedError: It was closed, or could not be opened, before; a pipeline is one session.
        """
        if self._closed:
            raise ClosedError("the pipeline is closed", hint="make a new Pipeline")
        if self._session is None:
            clock = self._clock_given or (ReplayClock() if self._reproducible else MonotonicClock())
            with contextlib.ExitStack() as undo:
                undo.callback(self._let_go)
                self._session = Session(
                    self.config,
                    self._drivers,
                    self._runners,
                    clock,
                    self._trace,
                    self._predictions,
                    self._events,
                )
                self._session.open()
                undo.pop_all()
        return self

    def start(self) -> None:
        """Start the engine, for those who poll :attr:`latest`; readers start it themselves."""
        self._live().engine.start()

    def close(self) -> None:
        """Stop the engine, the devices and the sinks. A device that hangs is abandoned.

        A model that hangs is abandoned after five seconds, which :attr:`failures` then tells.
        """
        session = self._let_go()
        if session is not None:
            session.close()
            self._failed = session.failures()

    def __enter__(self) -> Self:
        """Open the pipeline."""
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the pipeline."""
        self.close()

    def __iter__(self) -> Iterator[EmotionState]:
        """Iterate over states until the streams end; errors of the engine are raised here.

        A slow reader of a live session sees the newest state; of a reproducible one, all.
        """
        session = self._live()
        states = session.hub.read()
        session.engine.start()
        return states

    def __aiter__(self) -> AsyncIterator[EmotionState]:
        """Iterate asynchronously; cancelling the reading task is safe."""
        session = self._live()
        states = session.hub.read_async()
        session.engine.start()
        return states

    def subscribe(self, callback: Callable[[EmotionState], None]) -> Callable[[], None]:
        """Call ``callback`` with each state in the engine's thread; it must not take long.

        Returns:
            A function that ends the subscription.
        """
        session = self._live()
        unsubscribe = session.hub.subscribe(callback)
        session.engine.start()
        return unsubscribe

    def finish(self) -> None:
        """Let every reader end after the states that it has; safe from signal handlers."""
        if self._session is not None:
            self._session.hub.end()

    def run(self) -> int:
        """Feed the sinks until the streams end; return the number of states."""
        count = 0
        for state in self:
            count = state.seq + 1
        return count

    def push_text(
        self,
        text: str,
        t_ns: int | None = None,
        *,
        speaker: str | None = None,
        words: Sequence[Word] = (),
    ) -> None:
        """Give a sentence to the ``push:`` text stream.

        Args:
            text: What was said or written.
            t_ns: When, on the session clock; when None, when the first word began, else now.
            speaker: Any name that stays the same for one speaker; None when unknown.
            words: The words with their times on the session clock, as a recogniser gives them.

        Raises:
            ConfigError: The pipeline has no ``push:`` text stream, or the text comes after a
                later one.
        """
        self._live()
        driver = self._drivers.get("text")
        if not isinstance(driver, PushedText):
            raise ConfigError("there is no push stream", hint="Pipeline(..., text='push:')")
        known = speaker is not None or words
        driver.push(text, t_ns, Utterance(speaker, tuple(words)) if known else None)

    def calibrate(
        self, *modalities: Modality, seconds: float = 60.0, valid_s: float = VALID_S
    ) -> dict[Modality, Baseline]:
        """Take the baseline of a person who rests now, and use it from then on.

        Blocks for about ``seconds`` of the streams' time, of which what is muted or lost is no
        part; states go on meanwhile, without any baseline. It stays in memory until the pipeline
        closes, :meth:`erase_baseline` is called or its time is over. To keep it:
        ``baseline.save(path, consent=True)``.

        Models of body signals read the baseline. What a model says of a voice or a face is moved
        by half of what it says at rest, in which the person speaks evenly. It counts for
        everybody who comes before that camera or microphone: erase it when another person does.

        Args:
            modalities: Which; when none is named, all that a baseline was measured to help:
                eeg, physio and voice. One of them that cannot be taken, such as of a voice that
                kept silent, is logged and left out.
            seconds: How long the person rests: 30 to 60 s, 180 s for pulse and skin.
            valid_s: Seconds until it ends; a day by default.

        Returns:
            The baseline of each modality.

        Raises:
            ConfigError: A model knows no baseline, or no window of a modality that was named, or
                of any, could be used; the message says why, such as electrodes that are off.
            ClosedError: The stream ended before that, another calibration took its place, or it
                was erased.
        """
        session = self._live()
        chosen = modalities or tuple(session.personal())
        if not 0 < seconds <= _LONGEST_S:
            raise ConfigError(f"a baseline cannot last {seconds} s")
        if not chosen:
            raise ConfigError(
                "no stream here has a model that a baseline was measured to help",
                hint="name what to take it of, such as calibrate('face')",
            )
        rests = {one: session.lane(one).take_rest(seconds, valid_s) for one in chosen}
        session.engine.start()
        for one, rest in rests.items():
            while not rest.wait(0.05):
                if session.over(one) and not rest.wait(0.5):
                    raise ClosedError(f"{one} ended before {seconds:g} s of rest were over")
        return results(rests) if modalities else results_of_some(rests)

    def use_baseline(self, baseline: Baseline | str | Path) -> None:
        """Use a baseline that was taken before, itself or from the file it was saved to.

        Raises:
            ConfigError: No baseline, or one of another model or modality.
            StaleError: Its time is over.
        """
        known = baseline if isinstance(baseline, Baseline) else Baseline.load(baseline)
        if known.expired:
            raise StaleError(
                f"the baseline of {known.modality} ended at {known.expires}", hint="take a new one"
            )
        self._live().lane(known.modality).adopt(known)

    def erase_baseline(self, *modalities: Modality, path: str | Path | None = None) -> None:
        """Forget baselines, also those being taken, and remove the file that one was saved to.

        Args:
            modalities: Which; all when none is named.
            path: A saved baseline.

        Raises:
            ConfigError: ``path`` is no baseline; it stays.
        """
        session = self._live()
        for one in modalities or session.modalities():
            session.lane(one).adopt(None)
        if path is not None:
            erase(path)

    def mute(self, modality: Modality, reason: str) -> None:
        """Read nothing of a modality from now on, such as a robot's own voice while it speaks.

        Its predictions abstain with the reason; what happened before is still estimated, and
        :meth:`unmute` begins afresh, so that no window holds what was muted. It counts by
        session time and may be called from any thread. A recording of raw signals holds black
        pictures, silence and empty lines where a modality was muted, and the mute itself; its
        replay abstains there too.

        Args:
            modality: One of ``face``, ``voice``, ``text``, ``eeg``, ``physio``.
            reason: Why, in words, for the state's readers.

        Raises:
            ConfigError: No such modality, or no reason.
            ClosedError: The pipeline is not open.
        """
        self._live().mute(modality, reason)

    def unmute(self, modality: Modality) -> None:
        """Read a modality again; see :meth:`mute`.

        Raises:
            ConfigError: No such modality.
            ClosedError: The pipeline is not open.
        """
        self._live().unmute(modality)

    @property
    def latest(self) -> EmotionState | None:
        """The newest state; None before the first. Raises the error that ended the engine."""
        hub = self._live().hub
        hub.check()
        return hub.latest

    @property
    def faces(self) -> tuple[Face, ...]:
        """Every face that is followed, as of the last frame taken; one of them counts.

        Empty while the camera is lost or the face is muted.

        A callback of :meth:`subscribe` sees the faces that its state was made of; other
        threads may see a newer frame's, which ``t_ns`` tells.
        """
        return self._live().faces()

    @property
    def streams(self) -> dict[Kind, StreamInfo]:
        """The streams as their drivers opened them."""
        return self._live().streams()

    @property
    def clock(self) -> Clock:
        """The session clock."""
        return self._live().clock

    @property
    def failures(self) -> list[EdgeEmoError]:
        """What failed for good: streams that cannot be reopened, sinks that cannot write.

        Still there after :meth:`close`, which is when a recorder completes its files and when a
        model that hangs is told.
        """
        return self._failed if self._session is None else self._session.failures()

    @property
    def failed_sinks(self) -> list[Sink]:
        """The sinks of an open session that failed and take nothing more; the session goes on."""
        return self._live().failed_sinks()

    @property
    def device_cpu_ns(self) -> int:
        """Processor time spent inside the drivers' ``read`` so far."""
        return sum(capture.read_cpu_ns for capture in self._live().captures.values())

    @property
    def packages(self) -> dict[Modality, str]:
        """Model package of each modality that is estimated."""
        return self._live().packages()

    def _let_go(self) -> Session | None:
        session, self._session, self._closed = self._session, None, True
        return session

    def _live(self) -> Session:
        if self._session is None:
            state = "closed" if self._closed else "not open"
            raise ClosedError(
                f"the pipeline is {state}", hint="use: with Pipeline(...) as pipeline"
            )
        return self._session

    @property
    def _reproducible(self) -> bool:
        return self.config.states.join == "reproducible"


def _check(states: States) -> None:
    if not 0.001 <= states.rate_hz <= 1000:
        raise ConfigError(f"states.rate_hz = {states.rate_hz} is not in 0.001 … 1000")
    if not 0 < states.open_timeout_s <= _LONGEST_S:
        raise ConfigError(
            f"states.open_timeout_s = {states.open_timeout_s} is not in 0 … {_LONGEST_S:g}",
            hint="to wait for devices that are missing: wait_for_devices = true",
        )


def _read(config: str | Path | None) -> Config:
    return Config() if config is None else read_config(config)
