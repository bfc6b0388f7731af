"""Talk to a microcontroller on a port, or be one on a pseudo-terminal."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_emo.bridge.framing import VERSION, Frame, FrameParser
from edge_emo.bridge.link import Link, LinkSettings, acquire, release
from edge_emo.bridge.messages import (
    Acknowledged,
    Board,
    BoardText,
    Event,
    LinkChange,
    Pinged,
    SampleBlock,
)
from edge_emo.bridge.port import is_socket
from edge_emo.bridge.schema import WireMessage, parse
from edge_emo.bridge.simulator import Simulator, light
from edge_emo.cli.numbers import count, parts_per_million, seconds
from edge_emo.cli.refuse import refuse
from edge_emo.clock import MonotonicClock
from edge_emo.errors import DeviceTimeoutError, FrameError
from edge_emo.say import say

HELP = "talk to a microcontroller, or simulate one"

_PING_WAIT_S = 2.0
_SLICE_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    verbs = parser.add_subparsers(required=True, metavar="WHAT", dest="what")
    ping = _on_port(verbs, "ping", _ping, "measure round trips")
    ping.add_argument("--count", type=count, default=10, metavar="N", help="how many")
    info = _on_port(verbs, "info", _info, "say what the board says of itself")
    info.add_argument("--json", action="store_true", help="print one JSON object")
    for name, act, text in (
        ("monitor", _monitor, "print samples, log lines and losses as they come"),
        ("trace", _trace, "print every frame of both directions"),
    ):
        _on_port(verbs, name, act, text).add_argument("--seconds", type=seconds, metavar="S")
    simulate = verbs.add_parser("simulate", help="be a board on a pseudo-terminal")
    simulate.add_argument("--link", metavar="PATH", help="make a link to the port here")
    simulate.add_argument(
        "--ppm", type=parts_per_million, default=0.0, help="how much faster its clock runs"
    )
    simulate.add_argument("--seconds", type=seconds, metavar="S", help="stop after S seconds")
    simulate.set_defaults(act=_simulate)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    act: Callable[[argparse.Namespace], None] = arguments.act
    act(arguments)
    return 0


def _on_port(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    act: Callable[[argparse.Namespace], None],
    text: str,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text)
    parser.add_argument(
        "port", metavar="PORT", help="/dev/ttyACM0, usb:SERIALNUMBER or socket://host:port"
    )
    parser.add_argument("--baud", type=count, help=f"bits per second: {LinkSettings().baud}")
    parser.set_defaults(act=act)
    return parser


def _settings(arguments: argparse.Namespace) -> LinkSettings:
    if is_socket(arguments.port):
        refuse(arguments, "--baud", "of a socket", "leave it out; the other end sets its line")
    return LinkSettings() if arguments.baud is None else LinkSettings(baud=arguments.baud)


@contextlib.contextmanager
def _talking(arguments: argparse.Namespace) -> Iterator[tuple[Link, Board, queue.Queue[Event]]]:
    events: queue.Queue[Event] = queue.Queue()
    link = acquire(arguments.port, MonotonicClock(), _settings(arguments))
    forget = link.listen(events.put)
    try:
        yield link, link.wait_up(), events
    finally:
        forget()
        release(link)


def _ping(arguments: argparse.Namespace) -> None:
    taken: list[float] = []
    with _talking(arguments) as (_, board, events):
        say(f"{board.name}, firmware {board.firmware}")
        while len(taken) < arguments.count:
            try:
                event = events.get(timeout=_PING_WAIT_S)
            except queue.Empty:
                raise DeviceTimeoutError(f"{arguments.port} no longer answers") from None
            if isinstance(event, Pinged):
                taken.append(event.round_trip_ns / 1e6)
                print(f"{len(taken)}: {taken[-1]:.2f} ms", flush=True)
    say(f"shortest {min(taken):.2f} ms, longest {max(taken):.2f} ms")


def _info(arguments: argparse.Namespace) -> None:
    with _talking(arguments) as (_, board, _events):
        fields = dataclasses.asdict(board)
    if arguments.json:
        print(json.dumps(fields))
        return
    print(f"board         {board.name}")
    print(f"firmware      {board.firmware}, protocol {board.protocol} (this host: {VERSION})")
    print(f"serial number {board.serial or 'none'}")
    print(f"can           {', '.join(board.capabilities) or 'nothing'}")
    for stream in board.streams:
        channels = ", ".join(
            f"{name} [{unit or 'counts'}]"
            for name, unit in zip(stream.channels, stream.units, strict=True)
        )
        print(f"stream {stream.id}      {stream.kind}, {stream.rate_hz:g} Hz: {channels}")


def _monitor(arguments: argparse.Namespace) -> None:
    with _talking(arguments) as (link, board, events):
        for stream in board.streams:
            link.activate(stream.id, on=True)
        for event in _until(events, arguments.seconds):
            print(_line(event), flush=True)


def _until(events: queue.Queue[Event], seconds: float | None) -> Iterator[Event]:
    end_s = time.monotonic() + seconds if seconds is not None else float("inf")
    while time.monotonic() < end_s:
        with contextlib.suppress(queue.Empty):
            yield events.get(timeout=_SLICE_S)


def _line(event: Event) -> str:
    if isinstance(event, SampleBlock):
        shown = " ".join(str(count) for count in event.counts)
        return f"{event.t_ns / 1e9:10.4f} s stream {event.stream} sample {event.first}: {shown}"
    if isinstance(event, BoardText):
        return f"{event.level}: {event.text}"
    if isinstance(event, LinkChange):
        return "link up" if event.up else f"link down: {event.reason}"
    if isinstance(event, Acknowledged):
        return f"state acknowledged, {event.code}, {event.round_trip_ns / 1e6:.2f} ms"
    return f"ping {event.round_trip_ns / 1e6:.2f} ms"


def _trace(arguments: argparse.Namespace) -> None:
    clock = MonotonicClock()
    parsers = {False: FrameParser(), True: FrameParser()}
    printer = _Printer()

    def show(is_sent: bool, data: bytes) -> None:
        for frame in parsers[is_sent].feed(data):
            arrow = "→" if is_sent else "←"
            printer.print(f"{clock.now_ns() / 1e9:9.4f} {arrow} {_described(frame)}")

    link = Link(arguments.port, clock, _settings(arguments), show)
    link.start()
    try:
        link.wait_up()
        printer.wait(arguments.seconds)
    finally:
        link.stop()


class _Printer:
    """Prints for the thread of a port, which goes on when nobody reads any more."""

    def __init__(self) -> None:
        self._failed: queue.Queue[OSError] = queue.Queue()

    def print(self, line: str) -> None:
        """Print a line; what goes wrong is raised by :meth:`wait`."""
        try:
            print(line, flush=True)
        except OSError as error:
            self._failed.put(error)

    def wait(self, seconds: float | None) -> None:
        """Wait so long, or for ever.

        Raises:
            OSError: A line could not be printed: the reader left, or the disk is full.
        """
        with contextlib.suppress(queue.Empty):
            raise self._failed.get(timeout=seconds)


def _described(frame: Frame) -> str:
    head = f"#{frame.sequence} {len(frame.payload)} bytes"
    if frame.version != VERSION:
        return f"{head} version {frame.version}: {frame.payload.hex()}"
    try:
        wire: WireMessage = parse(frame.payload)
    except FrameError as error:
        return f"{head} {error}: {frame.payload.hex()}"
    return f"{head} {' '.join(str(wire).split()) or 'a message that this version does not know'}"


def _simulate(arguments: argparse.Namespace) -> None:
    link = Path(arguments.link) if arguments.link else None
    printer = _Printer()

    def show(state: WireMessage) -> None:
        printer.print(f"state {state.number}: {light(state)}")

    with Simulator(link, clock_ppm=arguments.ppm, on_state=show) as board:
        print(board.path, flush=True)
        say(f"a simulated board; in another terminal: edge-emo bridge info {board.path}")
        printer.wait(arguments.seconds)
