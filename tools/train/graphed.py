"""A training step that a GPU records once and replays: small networks wait for launches else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

_WARM = 4


class Graphed:
    """Calls a step; on a GPU, replays it from the fifth call on.

    Args:
        step: Reads and writes the same tensors on each call, never waits for the device, and
            leaves gradients to the backward pass inside.
        device: ``cpu`` or ``cuda``.
        generators: That the step draws from, besides the device's own.
    """

    def __init__(
        self, step: Callable[[], torch.Tensor], device: str,
        generators: Sequence[torch.Generator] = (),
    ) -> None:  # fmt: skip
        self._step = step
        self._generators = generators
        self._cuda = device == "cuda"
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result = torch.zeros(())

    def __call__(self) -> torch.Tensor:
        """Make one step; the result is overwritten by the next one on a GPU."""
        self._calls += 1
        if not self._cuda:
            return self._step()
        if self._graph is not None:
            self._graph.replay()
        elif self._calls <= _WARM:
            self._warm()
        else:
            self._record()
        return self._result

    def _warm(self) -> None:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self._result = self._step()
        torch.cuda.current_stream().wait_stream(side)

    def _record(self) -> None:
        self._graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            self._graph.register_generator_state(generator)
        with torch.cuda.graph(self._graph):
            self._result = self._step()
        self._graph.replay()
