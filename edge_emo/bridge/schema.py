"""The messages of ``edge_emo.proto`` as protobuf classes, made from its compiled description.

The description is a file of data, ``edge_emo.desc``, written by ``firmware_bridge/generate.sh``.
Generated Python would tie the package to one release of protobuf; a description does not.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from edge_emo import vendor
from edge_emo.errors import FrameError

WireMessage = Any
"""A protobuf message of ``edge_emo.proto``; protobuf makes its class at run time."""

_DESCRIPTION = Path(__file__).with_name("edge_emo.desc")


def message(body: str, **fields: Any) -> WireMessage:
    """Return a ``Message`` with the body ``body``.

    Args:
        body: Name of the body, such as ``ping``.
        **fields: Fields of the body; None leaves one out.
    """
    made = message_class()()
    part = getattr(made, body)
    part.SetInParent()
    for name, value in fields.items():
        if value is not None:
            _set(part, name, value)
    return made


def parse(payload: bytes) -> WireMessage:
    """Return the message in a frame's payload.

    Raises:
        FrameError: The payload is no message.
    """
    try:
        return message_class().FromString(payload)
    except _decode_error() as error:
        raise FrameError(f"a good frame holds no message: {error}") from error


@functools.cache
def message_class() -> Any:
    """Return the class of ``edge_emo.Message``.

    Raises:
        UnavailableError: protobuf is not installed.
    """
    pools = vendor.load("google.protobuf.descriptor_pool")
    descriptions = vendor.load("google.protobuf.descriptor_pb2")
    factory = vendor.load("google.protobuf.message_factory")
    pool = pools.DescriptorPool()
    for file in descriptions.FileDescriptorSet.FromString(_DESCRIPTION.read_bytes()).file:
        pool.Add(file)
    return factory.GetMessageClass(pool.FindMessageTypeByName("edge_emo.Message"))


@functools.cache
def _decode_error() -> type[Exception]:
    error: type[Exception] = vendor.load("google.protobuf.message").DecodeError
    return error


def _set(part: Any, name: str, value: Any) -> None:
    if isinstance(value, (list, tuple)):
        getattr(part, name).extend(value)
    elif hasattr(value, "SerializeToString"):
        getattr(part, name).CopyFrom(value)
    else:
        setattr(part, name, value)
