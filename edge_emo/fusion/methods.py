"""Methods of fusion by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge_emo.config import FusionMethod
from edge_emo.fusion.base import Pool
from edge_emo.fusion.channel import ChannelPool
from edge_emo.fusion.full import FullLogLinearPool
from edge_emo.fusion.pooling import LinearPool, LogLinearPool
from edge_emo.fusion.quantum import QuantumPool

METHODS: Mapping[FusionMethod, Callable[[], Pool]] = {
    "linear": LinearPool,
    "log-linear": LogLinearPool,
    "full-log-linear": FullLogLinearPool,
    "channel": ChannelPool,
    "quantum": QuantumPool,
}
"""``docs/concepts/fusion.md`` compares them; the configuration's default is the best measured."""


def make_pool(method: FusionMethod) -> Pool:
    """Return the pool of a method."""
    return METHODS[method]()
