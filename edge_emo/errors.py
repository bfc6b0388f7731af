"""Every error that edge_emo raises, each with a hint that names what to do."""

from __future__ import annotations


class EdgeEmoError(Exception):
    """Base of all errors of this package.

    Args:
        message: What failed, in one sentence.
        hint: What to do about it: a command to run, a key to change. May be empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message without the hint."""
        return self.message


class ConfigError(EdgeEmoError, ValueError):
    """A configuration, an address or an argument is wrong."""


class UnavailableError(EdgeEmoError, ImportError):
    """An optional package or system library is missing; the hint is the line that installs it."""


class DeviceError(EdgeEmoError, OSError):
    """A device could not be used."""


class DeviceNotFoundError(DeviceError):
    """No such device is attached, or no such file exists."""


class DeviceBusyError(DeviceError):
    """The device is in use by another program."""


class DeviceLostError(DeviceError):
    """The device was there and vanished, or its data can no longer be read."""


class DeviceTimeoutError(DeviceError):
    """The device is there and delivered nothing in time."""


class ModelError(EdgeEmoError):
    """A model package could not be used."""


class ModelNotFoundError(ModelError):
    """No model package has this id or serves this modality."""


class ModelIntegrityError(ModelError):
    """A file of a model package differs in size or SHA-256 from its manifest."""


class ModelSignatureError(ModelError):
    """A model package is not signed, or by nobody whom the configuration trusts."""


class ModelMismatchError(ModelError):
    """A compiled file's own tensors differ from what its manifest declares."""


class NoBackendError(ModelError):
    """No backend can run the model here; the message lists every rejected candidate."""


class StreamError(EdgeEmoError):
    """A stream could not be read."""


class ClosedError(StreamError):
    """The stream, the driver or the pipeline is closed."""


class StaleError(StreamError):
    """The time of a baseline is over."""


class RecordingError(EdgeEmoError):
    """A recorded session is damaged, or cannot be written."""


class BridgeError(EdgeEmoError):
    """The microcontroller bridge failed."""


class FrameError(BridgeError):
    """A frame on the wire is malformed."""


class ProtocolVersionError(BridgeError):
    """The firmware speaks another version of the protocol."""


class DatasetError(EdgeEmoError):
    """A dataset or a manifest of clips is malformed; the message names file and line."""
