"""Microphones through PortAudio, by the PyAudio package."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from edge_emo.clock import Clock
from edge_emo.drivers.base import DeviceEntry, Driver
from edge_emo.drivers.microphone.absence import Absence
from edge_emo.drivers.microphone.intake import Block, Intake
from edge_emo.drivers.microphone.pcm import channel_names, decode
from edge_emo.drivers.microphone.quiet import quiet_stderr
from edge_emo.errors import (
    ClosedError,
    ConfigError,
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    UnavailableError,
)
from edge_emo.types import Chunk, Kind, StreamInfo
from edge_emo.vendor import load

_LOG = logging.getLogger(__name__)
T = TypeVar("T")

_OPEN_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 2.0
_BUFFER_S = 5.0
_POLL_S = 0.1
# Codes of portaudio.h.
_INVALID_RATE, _INVALID_CHANNELS, _UNAVAILABLE = -9997, -9998, -9985
# Pa_Initialize and Pa_OpenStream may not run twice at once in a process.
_PORTAUDIO = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Session:
    """One open stream: PyAudio's objects, what the callback fills, what was read back."""

    library: Any
    stream: Any
    intake: Intake
    ending: threading.Event
    rate_hz: float
    channels: int
    device: str


class PortAudioMicrophone(Driver):
    """Records from an input of the system: ``portaudio:default``, ``portaudio:2``.

    Samples are stamped with their ADC time. A device that delivers zeros is silent; a device
    that delivers nothing for ``watchdog_s`` is lost.

    Args:
        target: ``default``, the number of a device, or a part of its name.
        rate_hz: Samples per second to ask for. A device that refuses is opened at its own
            rate; ``StreamInfo.rate_hz`` says which it is.
        channels: Channels to record.
        block_s: Length of a chunk, in seconds.
        watchdog_s: A device that delivers no block for this long is lost. An idle sound server
            may take two seconds for the first one.
        open_timeout_s: How long the sound system may take to list its devices and open one.

    Raises:
        ConfigError: An option is out of range.
    """

    kind: ClassVar[Kind] = "microphone"

    def __init__(
        self,
        target: str = "default",
        *,
        rate_hz: int = 16000,
        channels: int = 1,
        block_s: float = 0.03,
        watchdog_s: float = 3.0,
        open_timeout_s: float = _OPEN_TIMEOUT_S,
    ) -> None:
        positive = rate_hz > 0 and channels > 0 and watchdog_s > 0 and open_timeout_s > 0
        if not positive or not 0.001 <= block_s <= 1.0:
            raise ConfigError("portaudio: block_s is 0.001 … 1, the other numbers are positive")
        self._target = target or "default"
        self._rate_hz = rate_hz
        self._channels = channels
        self._block_s = block_s
        self._watchdog_ns = round(watchdog_s * 1e9)
        self._open_timeout_s = open_timeout_s
        self._lock = threading.Lock()
        self._session: _Session | None = None
        self._dropped = 0
        self._absence = Absence()

    def open(self, clock: Clock) -> StreamInfo:
        """Open the device and start recording; see :meth:`Driver.open`."""
        self.close()
        pyaudio = load("pyaudio")
        self._clock = clock
        if self._absence.lasts(clock.now_ns()):
            raise DeviceNotFoundError(
                f"there is still no input {self._target!r}", hint="see: edge-emo devices"
            )
        session = _exclusively(
            lambda: self._start(pyaudio, clock), _tear_down, self._open_timeout_s
        )
        self._absence.end()
        with self._lock:
            self._session = session
        return StreamInfo(
            kind="microphone",
            rate_hz=session.rate_hz,
            channels=channel_names(session.channels),
            unit="full-scale",
            device=session.device,
        )

    def read(self, timeout_s: float) -> Chunk:
        """Return the next block; see :meth:`Driver.read`."""
        with self._lock:
            session = self._session
        if session is None:
            raise ClosedError(f"portaudio:{self._target} is not open")
        for wait_s in _slices(timeout_s):
            block = session.intake.get(wait_s)
            if block:
                return self._chunk(session, block)
            self._check_alive(session)
        raise DeviceTimeoutError(f"{session.device} delivered nothing within {timeout_s:g} s")

    def close(self) -> None:
        """Stop recording. A device that hangs is abandoned after two seconds."""
        with self._lock:
            session, self._session = self._session, None
        if session is None:
            return
        self._dropped = session.intake.dropped
        done = _in_thread(lambda: _tear_down(session))
        try:
            done.result(_CLOSE_TIMEOUT_S)
        except FutureTimeoutError:
            _LOG.warning("%s does not close and was abandoned", session.device)
            done.add_done_callback(_tell_late)
        except OSError as error:
            _LOG.warning("%s did not close cleanly: %s", session.device, error)

    @property
    def dropped(self) -> int:
        """Samples lost since ``open``: overruns of the device, blocks that nobody read."""
        session = self._session
        return session.intake.dropped if session else self._dropped

    @classmethod
    def devices(cls) -> list[DeviceEntry]:
        """List the inputs that PortAudio sees; empty without PyAudio."""
        try:
            pyaudio = load("pyaudio")
        except UnavailableError:
            return []
        inputs = _exclusively(lambda: _list_inputs(pyaudio), lambda _: None, _OPEN_TIMEOUT_S)
        return [
            DeviceEntry("microphone", f"portaudio:{number}", words)
            for number, words in inputs.items()
        ]

    def _start(self, pyaudio: Any, clock: Clock) -> _Session:
        library = _initialise(pyaudio)
        with contextlib.ExitStack() as undo:
            undo.callback(library.terminate)
            number = self._search(library, clock)
            session = self._open_stream(pyaudio, library, number, clock)
            undo.pop_all()
        return session

    def _search(self, library: Any, clock: Clock) -> int:
        try:
            return _choose(library, self._target)
        except DeviceNotFoundError:
            self._absence.note(clock.now_ns())
            raise

    def _open_stream(self, pyaudio: Any, library: Any, number: int, clock: Clock) -> _Session:
        """Open at the rate asked for, or at the device's own when it refuses that."""
        info = library.get_device_info_by_index(number)
        own_hz = round(info["defaultSampleRate"])
        try:
            return self._open_at(pyaudio, library, info, self._rate_hz, clock)
        except OSError as error:
            if error.errno != _INVALID_RATE or own_hz == self._rate_hz:
                raise self._refusal(error, info["name"]) from error
        try:
            return self._open_at(pyaudio, library, info, own_hz, clock)
        except OSError as error:
            raise self._refusal(error, info["name"]) from error

    def _open_at(
        self, pyaudio: Any, library: Any, info: Mapping[str, Any], rate_hz: int, clock: Clock
    ) -> _Session:
        block = max(1, round(rate_hz * self._block_s))
        intake = Intake(clock, rate_hz, capacity=max(2, round(_BUFFER_S / self._block_s)))
        ending = threading.Event()
        stream = library.open(
            rate=rate_hz,
            channels=self._channels,
            format=pyaudio.paInt16,
            input=True,
            input_device_index=info["index"],
            frames_per_buffer=block,
            stream_callback=_callback(pyaudio, intake, ending),
        )
        # PyAudio has no public name for the rate that Pa_GetStreamInfo reports.
        real_hz = float(stream._stream.sampleRate)
        words = _describe(library, info) + f", {real_hz:g} Hz"
        if rate_hz != self._rate_hz:
            words += f" (refuses {self._rate_hz} Hz)"
        return _Session(library, stream, intake, ending, real_hz, self._channels, words)

    def _refusal(self, error: OSError, name: str) -> DeviceError | ConfigError:
        words = f"{name} cannot be opened: {error.strerror or error}"
        if error.errno == _UNAVAILABLE:
            return DeviceBusyError(words, hint="see who records: fuser -v /dev/snd/*")
        if error.errno == _INVALID_CHANNELS:
            return ConfigError(words, hint=f"try portaudio:{self._target}?channels=2")
        return DeviceNotFoundError(words, hint="see: edge-emo devices")

    def _chunk(self, session: _Session, block: Block) -> Chunk:
        samples = decode(block.data, "s16", session.channels)
        return Chunk("microphone", block.seq, block.t_ns, session.rate_hz, samples)

    def _check_alive(self, session: _Session) -> None:
        """Raise unless blocks may still come."""
        hint = "check its cable and the sound server, then open it again"
        with self._lock:
            if self._session is not session:
                raise ClosedError(f"portaudio:{self._target} was closed")
            if stopped := _why_stopped(session):
                raise DeviceLostError(f"{session.device} {stopped}", hint=hint)
        # A source that was removed or suspended stays active and says nothing.
        silent_ns = self._clock.now_ns() - session.intake.newest_ns
        if silent_ns > self._watchdog_ns:
            raise DeviceLostError(
                f"{session.device} delivered nothing for {silent_ns / 1e9:.1f} s", hint=hint
            )


def _callback(
    pyaudio: Any, intake: Intake, ending: threading.Event
) -> Callable[[bytes, int, Mapping[str, float], int], tuple[None, int]]:
    overflow, go_on, abort = pyaudio.paInputOverflow, pyaudio.paContinue, pyaudio.paAbort

    def take(
        data: bytes, n_samples: int, times: Mapping[str, float], flags: int
    ) -> tuple[None, int]:
        if ending.is_set():
            return None, abort
        intake.take(
            data,
            n_samples,
            times["input_buffer_adc_time"],
            times["current_time"],
            overflow=bool(flags & overflow),
        )
        return None, go_on

    return take


def _tear_down(session: _Session) -> None:
    """Close a stream. May hang for ever when the sound server does.

    ``stop_stream`` joins PortAudio's thread, which a removed source never wakes, so it is not
    called: closing a running stream cancels the thread. That must not happen inside our
    callback, where it would take the interpreter lock with it; so the callback ends the stream
    first, and only a stream whose callback is not called any more is cancelled. Whatever fails,
    PortAudio is ended: one that runs on never sees a device that is plugged in again.
    """
    session.ending.set()
    pause = threading.Event()
    with contextlib.ExitStack() as undo:
        undo.callback(_terminate, session.library)
        undo.callback(session.stream.close)
        for _ in range(20):
            if _why_stopped(session):
                break
            pause.wait(0.01)


def _terminate(library: Any) -> None:
    with _PORTAUDIO:
        library.terminate()


def _why_stopped(session: _Session) -> str:
    """Return why a stream delivers no more, in words; empty while it may."""
    try:
        return "" if session.stream.is_active() else "stopped by itself"
    except OSError as error:
        return f"is gone: {error.strerror or error}"


def _in_thread(call: Callable[[], T]) -> Future[T]:
    """Run ``call`` in a daemon thread, which does not keep the interpreter from exiting."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # handed to the thread that waits for the result
            future.set_exception(error)

    threading.Thread(target=work, name="portaudio", daemon=True).start()
    return future


def _exclusively(call: Callable[[], T], discard: Callable[[T], None], timeout_s: float) -> T:
    """Run ``call`` as the only one in PortAudio, quietly; ``discard`` a result that is too late.

    Raises:
        DeviceTimeoutError: PortAudio hangs.
    """
    hung = DeviceTimeoutError(
        f"the sound system does not answer within {timeout_s:g} s",
        hint="restart it: systemctl --user restart pipewire pulseaudio",
    )
    if not _PORTAUDIO.acquire(timeout=timeout_s):
        raise hung
    with quiet_stderr():
        future = _holding_portaudio(call)
        try:
            return future.result(timeout_s)
        except FutureTimeoutError:
            future.add_done_callback(lambda late: _discard_late(late, discard))
            raise hung from None


def _holding_portaudio(call: Callable[[], T]) -> Future[T]:
    """Run ``call`` in a thread, which gives PortAudio free when it is done."""
    try:
        future = _in_thread(call)
    except RuntimeError:  # no thread can be started
        _PORTAUDIO.release()
        raise
    future.add_done_callback(lambda _: _PORTAUDIO.release())
    return future


def _discard_late(late: Future[T], discard: Callable[[T], None]) -> None:
    if not _tell_late(late):
        discard(late.result())


def _tell_late(late: Future[Any]) -> bool:
    """Log the failure of a call that nobody waits for any more; tell whether it failed."""
    error = late.exception()
    if error is not None:
        _LOG.warning("the sound system failed after it was given up: %s", error, exc_info=error)
    return error is not None


def _slices(timeout_s: float) -> Iterator[float]:
    """Cut a time-out into waits after each of which the device is looked at; at least one."""
    while timeout_s > _POLL_S:
        yield _POLL_S
        timeout_s -= _POLL_S
    yield max(0.0, timeout_s)


def _initialise(pyaudio: Any) -> Any:
    try:
        return pyaudio.PyAudio()
    except OSError as error:
        raise DeviceNotFoundError(
            f"PortAudio does not start: {error.strerror or error}",
            hint="check that the system records: arecord -d 1 /dev/null",
        ) from error


def _choose(library: Any, target: str) -> int:
    """Return the number of the input that ``target`` names.

    Raises:
        DeviceNotFoundError: There is none; the hint lists what there is.
        ConfigError: Several fit.
    """
    inputs = _inputs(library)
    if target == "default":
        return _default_input(library, inputs)
    if target.isdecimal() and int(target) in inputs:
        return int(target)
    exact = [number for number, name in inputs.items() if name == target]
    parts = [number for number, name in inputs.items() if target.lower() in name.lower()]
    found = exact or parts
    if len(found) > 1:
        names = ", ".join(f"portaudio:{number} ({inputs[number]})" for number in found)
        raise ConfigError(f"portaudio:{target} fits several inputs", hint=f"choose: {names}")
    if target.isdecimal() or not found:
        raise DeviceNotFoundError(f"there is no input {target!r}", hint=_list_hint(inputs))
    return found[0]


def _default_input(library: Any, inputs: Mapping[int, str]) -> int:
    try:
        return int(library.get_default_input_device_info()["index"])
    except OSError as error:
        raise DeviceNotFoundError("there is no default input", hint=_list_hint(inputs)) from error


def _list_hint(inputs: Mapping[int, str]) -> str:
    if not inputs:
        return "plug in a microphone; PortAudio sees no input at all"
    return "choose: " + ", ".join(f"portaudio:{number} ({name})" for number, name in inputs.items())


def _inputs(library: Any) -> dict[int, str]:
    infos = map(library.get_device_info_by_index, range(library.get_device_count()))
    return {info["index"]: info["name"] for info in infos if info["maxInputChannels"] > 0}


def _list_inputs(pyaudio: Any) -> dict[int, str]:
    """Start PortAudio and describe each of its inputs."""
    library = _initialise(pyaudio)
    try:
        return {
            number: _describe(library, library.get_device_info_by_index(number))
            for number in _inputs(library)
        }
    finally:
        library.terminate()


def _describe(library: Any, info: Mapping[str, Any]) -> str:
    host = library.get_host_api_info_by_index(info["hostApi"])["name"]
    return f"{info['name']} ({host})"
