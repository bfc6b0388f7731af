"""The contract of every backend: tensors in, tensors out, checked against the manifest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from edge_emo.errors import ModelError
from edge_emo.manifest import ModelFile, ModelPackage

if TYPE_CHECKING:
    import numpy.typing as npt

Tensors = Mapping[str, "npt.NDArray[Any]"]


class LoadedModel(ABC):
    """A model ready to run. Used by one thread at a time.

    Attributes:
        backend: Name of the backend.
        file: What was loaded; None of a model that stands for none.
    """

    backend: str
    file: ModelFile | None = None

    @abstractmethod
    def run(self, inputs: Tensors) -> Tensors:
        """Run once.

        Args:
            inputs: One array per input of the manifest, of its shape and dtype.

        Returns:
            One array per output, by the manifest's names. Valid until the next call.

        Raises:
            ModelMismatchError: A name, shape or dtype is not the manifest's.
            ModelError: The backend could not run it.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the model, which does not run now; idempotent."""


def run_error(backend: str, file: ModelFile, error: Exception) -> ModelError:
    """Return the error of a run that failed in a backend's own code."""
    return ModelError(
        f"{backend} could not run {file.path}: {error}",
        hint="run it with another backend (--backend), or compile the package again",
    )


class Backend(ABC):
    """One way to run compiled files.

    Attributes:
        name: Its name in the tables, in manifests and on the command line.
        formats: File formats that it runs, best first.
        target: Of several files of one format, those compiled for this target come first.
    """

    name: ClassVar[str]
    formats: ClassVar[tuple[str, ...]]
    target: ClassVar[str] = ""

    @abstractmethod
    def probe(self) -> str:
        """Return the version that works here.

        Raises:
            UnavailableError: It does not work here; the hint is the command that mends it.
        """

    def prepare(
        self, package: ModelPackage, file: ModelFile, progress: Callable[[str], None]
    ) -> Path | None:
        """Do once per device what loading needs; most backends need nothing.

        Args:
            package: The package.
            file: One of its files, whose hash was checked.
            progress: Told in words what begins.

        Returns:
            What was made for this device; None when nothing is needed.

        Raises:
            ModelError: It cannot be made.
        """
        return None

    @abstractmethod
    def load(self, package: ModelPackage, file: ModelFile, *, threads: int = 1) -> LoadedModel:
        """Load one file of a package whose hash was checked.

        Raises:
            UnavailableError: The backend does not work here.
            ModelMismatchError: The file's tensors differ from the manifest.
            ModelError: The file cannot be compiled here, or not in time.
        """
