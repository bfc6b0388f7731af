"""Where the pieces of a plan run: this process, processes of this machine, a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from edge_emo.errors import ConfigError, EdgeEmoError
from edge_emo.vendor import load

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def run_pieces(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], engine: str = "processes"
) -> Iterator[Result]:
    """Yield the result of each piece as it is done, in any order.

    Args:
        work: A function of a module, so that other processes can import it.
        pieces: Its arguments.
        engine: ``here``, ``processes``, ``processes:N``, or an address that Ray takes:
            ``ray://host:port``, ``ray:auto`` for a cluster that runs, ``ray:local`` or
            ``ray:local:N`` to start one of N workers.

    Raises:
        ConfigError: No such engine.
        EdgeEmoError: The system ended a process.
        UnavailableError: Ray is not installed.
    """
    name, _, rest = engine.partition(":")
    if name == "here":
        yield from map(work, pieces)
    elif name == "processes":
        yield from _in_processes(work, pieces, _count(rest) or os.cpu_count() or 1)
    elif name == "ray":
        yield from _on_ray(work, pieces, rest, engine)
    else:
        raise ConfigError(
            f"there is no engine {engine!r}", hint="here, processes, processes:N or ray://host:port"
        )


def _in_processes(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], workers: int
) -> Iterator[Result]:
    with ProcessPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(work, piece) for piece in pieces]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise EdgeEmoError(
                f"a worker of {workers} was ended by the system, most likely for want of memory",
                hint=f"take fewer: processes:{max(1, workers // 2)}; what is done is kept",
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _on_ray(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], rest: str, engine: str
) -> Iterator[Result]:
    ray = load("ray")
    where, _, count = rest.partition(":")
    if where == "local":
        ray.init(num_cpus=_count(count) or os.cpu_count() or 1, include_dashboard=False)
    else:
        ray.init(address="auto" if rest == "auto" else engine)
    try:
        remote = ray.remote(work)
        waiting = [remote.remote(piece) for piece in pieces]
        while waiting:
            done, waiting = ray.wait(waiting)
            yield from ray.get(done)
    finally:
        ray.shutdown()


def _count(text: str) -> int:
    if not text:
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{text!r} is no number of workers")
    return int(text)
