"""From a configuration to the parts of a session: drivers, estimators, fusion, joins, sinks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_emo.clock import Clock
from edge_emo.config import Config, Faces, FusionSettings, Models
from edge_emo.drivers.base import Driver
from edge_emo.errors import ConfigError
from edge_emo.estimators.base import Estimator
from edge_emo.estimators.create import create_estimator
from edge_emo.fusion.base import LIFETIME_S, Fusion, Trust
from edge_emo.fusion.methods import make_pool
from edge_emo.fusion.pooling import PooledFusion
from edge_emo.fusion.smoothing import Smoothing
from edge_emo.manifest import Signatures, find_package, list_packages
from edge_emo.registry import DRIVERS, SINKS, Address, construct
from edge_emo.sinks.base import Sink
from edge_emo.sync.delivery import Policy
from edge_emo.types import KINDS, MODALITIES, MODALITY_OF, Kind, Modality

Source = str | Driver
"""A stream as the user names it: an address, or a driver that is not open."""


def make_driver(kind: Kind, source: Source) -> Driver:
    """Return the driver of a stream.

    Raises:
        ConfigError: The address is wrong, names no driver of this kind, or the driver given
            serves another kind.
    """
    if isinstance(source, Driver):
        if source.kind != kind:
            raise ConfigError(f"a {source.kind} driver was given as the {kind}")
        return source
    address = Address.parse(source)
    if f"{kind}.{address.name}" not in DRIVERS:
        names = [name.partition(".")[2] for name in DRIVERS if name.startswith(f"{kind}.")]
        raise ConfigError(
            f"there is no {kind} driver called {address.name!r}",
            hint=f"choose from: {', '.join(f'{name}:' for name in names)}",
        )
    driver: Driver = construct(DRIVERS.load(f"{kind}.{address.name}"), address)
    return driver


def choose_sources(config: Config, given: Mapping[Kind, Source | None]) -> dict[Kind, Source]:
    """Return the streams of a session; what was given overrides the configuration.

    Raises:
        ConfigError: There is none.
    """
    sources = {
        kind: source
        for kind in KINDS
        if (source := given.get(kind) or getattr(config.streams, kind)) is not None
    }
    if not sources:
        raise ConfigError(
            "no stream was named, so there is nothing to estimate from",
            hint="name one, such as camera='opencv:0'; to list devices: edge-emo devices",
        )
    return sources


def make_sinks(addresses: Sequence[str | Sink]) -> list[Sink]:
    """Return the sinks, none of them open.

    Raises:
        ConfigError: An address is wrong.
    """
    return [_make_sink(address) for address in addresses]


def _make_sink(address: str | Sink) -> Sink:
    if isinstance(address, Sink):
        return address
    parsed = Address.parse(address)
    sink: Sink = construct(SINKS.load(parsed.name), parsed)
    return sink


@dataclass(frozen=True, slots=True)
class Estimates:
    """The estimator of one stream, and how much the fusion trusts it."""

    estimator: Estimator | None
    reliability: float


def make_estimator(
    kind: Kind, models: Models, clock: Clock, faces: Faces | None = None
) -> Estimates:
    """Load the model of a stream.

    Args:
        kind: What the stream carries.
        models: Which package, backend and policy.
        clock: The session clock.
        faces: How faces are followed and who is estimated.

    Returns:
        The estimator; None when no package exists for its modality, which the states say.

    Raises:
        ModelError: The package, its licence, its signature or its file is refused.
    """
    modality = MODALITY_OF[kind]
    name = getattr(models, modality)
    if name is None and not _any_package(modality, models):
        return Estimates(None, 0.0)
    package = find_package(name or modality, models.folders)
    estimator = create_estimator(
        package.id,
        clock,
        backend=models.backend,
        threads=models.threads,
        extra_dirs=models.folders,
        license_policy=models.license_policy,
        signatures=Signatures(models.signatures, models.trusted_keys),
        face_detector=models.face_detector,
        faces=faces,
    )
    return Estimates(estimator, package.reliability)


def _any_package(modality: Modality, models: Models) -> bool:
    return any(
        package.modality == modality and package.task == "estimate"
        for package in list_packages(models.folders)
    )


def make_fusion(settings: FusionSettings, reliability: Mapping[Modality, float]) -> Fusion:
    """Return the fusion.

    Args:
        settings: From the configuration.
        reliability: By modality, from the model packages.

    Raises:
        ConfigError: A modality in the settings does not exist, or a number is out of range.
    """
    unknown = {*settings.lifetime_s, *settings.reliability}.difference(MODALITIES)
    if unknown:
        raise ConfigError(f"fusion: {min(unknown)!r} is no modality; choose from {MODALITIES}")
    if not all(value > 0 for value in settings.lifetime_s.values()):
        raise ConfigError("fusion.lifetime_s must be above 0")
    fields = [field.name for field in dataclasses.fields(Smoothing)]
    _check_numbers({name: getattr(settings, name) for name in fields if name != "tracking"})
    for name in ("margin", "lead"):
        if getattr(settings, name) > 1:
            raise ConfigError(f"fusion.{name} = {getattr(settings, name)} is not in 0 … 1")
    _check_numbers({f"reliability.{name}": weight for name, weight in settings.reliability.items()})
    trust = {
        modality: Trust(
            settings.reliability.get(modality, reliability.get(modality, 1.0)),
            settings.lifetime_s.get(modality, LIFETIME_S[modality]),
        )
        for modality in MODALITIES
    }
    smoothing = Smoothing(**{name: getattr(settings, name) for name in fields})
    return PooledFusion(trust, make_pool(settings.method), smoothing)


def _check_numbers(numbers: Mapping[str, float]) -> None:
    for name, value in numbers.items():
        if not 0 <= value < math.inf:
            raise ConfigError(f"fusion.{name} = {value} is not a finite number from 0")


def policy_of(kind: Kind, *, reproducible: bool) -> tuple[Policy, int]:
    """Return policy and capacity of a stream's mailbox.

    Live video is LATEST, so that a slow engine never sees an old frame. Other live streams
    keep about ten seconds for recorders; what waited too long is not estimated any more. A
    reproducible session holds its files back instead.
    """
    if reproducible:
        return Policy.LOSSLESS, 8
    return (Policy.LATEST, 1) if kind == "camera" else (Policy.DROP_OLDEST, 512)
