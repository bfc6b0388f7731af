"""What ``run``, ``record``, ``replay`` and ``demo`` share: options, and the loop over states."""

from __future__ import annotations

import argparse
import dataclasses
import select
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import TextIO

from edge_emo.cli.numbers import count, seconds
from edge_emo.config import Config, read_config
from edge_emo.errors import ClosedError, ConfigError, EdgeEmoError
from edge_emo.imaging import use_one_thread
from edge_emo.pipeline import Pipeline
from edge_emo.say import leave, say
from edge_emo.sinks.base import Sink
from edge_emo.types import KINDS

_STDOUT = ("jsonl:-", "csv:-")
BACKEND_HELP = "litert, onnx, openvino, openvino-gpu, openvino-npu, tensorrt; no fallback"


def add_stream_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one option for each kind of stream, and the configuration file."""
    examples = {
        "camera": "opencv:0",
        "microphone": "portaudio:default",
        "eeg": "brainflow:synthetic",
        "physio": "empatica:recording/",
        "text": "text:-",
    }
    for kind in KINDS:
        parser.add_argument(f"--{kind}", metavar="ADDRESS", help=f"such as {examples[kind]}")
    parser.add_argument("--config", metavar="FILE", help="TOML file; options override it")
    parser.add_argument(
        "--wait-for-devices", action="store_true", help="wait for a device that is missing"
    )


def add_state_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is estimated and where it goes."""
    parser.add_argument("--json", action="store_true", help="print states as JSON lines")
    parser.add_argument(
        "--sink",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="such as jsonl:states.jsonl, csv:states.csv or mqtt://HOST/TOPIC; may be repeated",
    )
    parser.add_argument("--rate", type=float, metavar="HZ", help="states per second")
    parser.add_argument(
        "--baseline", type=seconds, metavar="S", help="first take S seconds of the person's rest"
    )
    parser.add_argument("--backend", metavar="NAME", help=BACKEND_HELP)
    parser.add_argument(
        "--states", type=count, metavar="N", help="stop after N states, those of rest not counted"
    )
    parser.add_argument(
        "--seconds", type=seconds, metavar="S", help="stop after S seconds, rest not counted"
    )


def configuration(arguments: argparse.Namespace) -> Config:
    """Return the configuration that the options describe.

    Where an option asks for something on stdout, no sink of the configuration prints there.

    Raises:
        ConfigError: The file is wrong, the rate is none, or two options ask for stdout.
    """
    path = getattr(arguments, "config", None)
    config = read_config(path) if path else Config()
    states, models = config.states, config.models
    if arguments.rate is not None:
        if not arguments.rate > 0:
            raise ConfigError(f"states.rate_hz = {arguments.rate:g} must be above 0")
        states = dataclasses.replace(states, rate_hz=arguments.rate)
    if getattr(arguments, "wait_for_devices", False):
        states = dataclasses.replace(states, wait_for_devices=True)
    if arguments.backend is not None:
        models = dataclasses.replace(models, backend=arguments.backend)
    kept = config.sinks
    if _asked_for_stdout(arguments):  # other text would stand among the lines
        kept = tuple(sink for sink in kept if not _prints(sink))
    return dataclasses.replace(config, states=states, models=models, sinks=kept)


def sinks(arguments: argparse.Namespace, config: Config) -> list[str]:
    """Return the addresses that the options name; one prints on stdout, unless the file's does."""
    if any(map(_prints, [*config.sinks, *arguments.sink])):
        return list(arguments.sink)
    return ["jsonl:-" if arguments.json else "console:", *arguments.sink]


def _asked_for_stdout(arguments: argparse.Namespace) -> bool:
    asked = [f"--sink {address}" for address in arguments.sink if _prints(address)]
    asked += ["--json"] if arguments.json else []
    if len(asked) > 1:
        raise ConfigError(
            f"{asked[0]} and {asked[1]} would both print on stdout", hint="leave one of them out"
        )
    return bool(asked)


def _prints(address: str) -> bool:
    return address.startswith("console:") or address.partition("?")[0] in _STDOUT


def run_states(
    pipeline: Pipeline, arguments: argparse.Namespace, needed: Sequence[Sink] = ()
) -> int:
    """Run until the streams end, the limits are reached, or the process is told to stop.

    It ends too when what prints on stdout fails, or a sink without which there is no sense in
    going on: a service is started again then, one that prints nothing would not be.

    Args:
        pipeline: Not open yet.
        arguments: ``states``, ``seconds`` and ``baseline``.
        needed: Of its sinks, those without which it ends.

    Returns:
        1 when a stream or a sink failed for good, which is said on stderr; else 0.
    """
    use_one_thread()
    with pipeline:
        stop = _stop_on_signals(pipeline)
        first = 0
        if arguments.baseline is not None:
            first = _take_baseline(pipeline, arguments.baseline, stop)
        if arguments.seconds is not None:
            timer = threading.Timer(arguments.seconds, pipeline.finish)
            timer.daemon = True
            timer.start()
        for state in pipeline:
            if stop.is_set() or _enough(arguments.states, state.seq - first + 1):
                break
            if _reader_left(pipeline.failures):
                return _leave_stdout()
            if any(sink.prints or sink in needed for sink in pipeline.failed_sinks):
                break
    failures = pipeline.failures  # closing completes the recorders' files, or fails to
    for error in failures:
        say(f"edge-emo: {error.message}" + (f"\nhint: {error.hint}" if error.hint else ""))
    return 1 if failures else 0


def _enough(limit: int | None, count: int) -> bool:
    return limit is not None and count >= limit


def _take_baseline(pipeline: Pipeline, rest_s: float, stop: threading.Event) -> int:
    """Return the number of the first state after the rest."""
    say(f"sit still and rest for {rest_s:g} s")
    try:
        pipeline.calibrate(seconds=rest_s)
    except ClosedError:
        if not stop.is_set():
            raise
    state = pipeline.latest
    return 0 if state is None else state.seq + 1


def _reader_left(failures: Sequence[EdgeEmoError]) -> bool:
    broken = any(isinstance(error.__cause__, BrokenPipeError) for error in failures)
    return broken and _is_unread(sys.stdout)


def _is_unread(stream: TextIO) -> bool:
    """Tell whether nobody reads a pipe any more; what broke may be the pipe of another sink."""
    poll = select.poll()
    poll.register(stream, 0)  # errors alone
    return bool(poll.poll(0))


def _leave_stdout() -> int:
    """Keep the interpreter from flushing into the closed pipe when it exits."""
    leave(sys.stdout)
    return 0


def _stop_on_signals(pipeline: Pipeline) -> threading.Event:
    stop = threading.Event()

    def finish(number: int, frame: FrameType | None) -> None:
        stop.set()
        pipeline.finish()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, finish)
        signal.signal(signal.SIGTERM, finish)
    return stop
