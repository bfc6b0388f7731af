"""The few calls of CUDA's runtime that move tensors to a GPU and back, by ctypes.

``libcudart`` comes with JetPack; no wheel has to match its version.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_emo.errors import ModelError, UnavailableError

if TYPE_CHECKING:
    import numpy.typing as npt

_TO_DEVICE, _TO_HOST = 1, 2
"""``cudaMemcpyKind`` of the CUDA runtime API."""


class Cuda:
    """CUDA's runtime library.

    Args:
        library: Its path; None to search for it.

    Raises:
        UnavailableError: It is not there.
    """

    def __init__(self, library: str | None = None) -> None:
        name = library or ctypes.util.find_library("cudart") or "libcudart.so"
        try:
            self._library = ctypes.CDLL(name)
        except OSError as error:
            raise UnavailableError(
                f"CUDA's runtime cannot be loaded: {error}",
                hint="sudo apt-get install nvidia-jetpack",
            ) from error

    def stream(self) -> int:
        """Make a stream; return its handle."""
        handle = ctypes.c_void_p()
        self._call("cudaStreamCreate", ctypes.byref(handle))
        return handle.value or 0

    def close_stream(self, handle: int) -> None:
        """Wait for a stream's work and end it."""
        self._call("cudaStreamDestroy", ctypes.c_void_p(handle))

    def wait(self, handle: int) -> None:
        """Wait for a stream's work."""
        self._call("cudaStreamSynchronize", ctypes.c_void_p(handle))

    def allocate(self, size_bytes: int) -> int:
        """Return the address of memory on the GPU."""
        pointer = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(pointer), ctypes.c_size_t(size_bytes))
        return pointer.value or 0

    def free(self, pointer: int) -> None:
        """Give memory of the GPU back."""
        self._call("cudaFree", ctypes.c_void_p(pointer))

    def upload(self, pointer: int, array: npt.NDArray[Any], stream: int) -> None:
        """Copy a contiguous array to the GPU, in the order of the stream."""
        self._copy(pointer, array.ctypes.data, array.nbytes, _TO_DEVICE, stream)

    def download(self, array: npt.NDArray[Any], pointer: int, stream: int) -> None:
        """Copy from the GPU into a contiguous array, in the order of the stream."""
        self._copy(array.ctypes.data, pointer, array.nbytes, _TO_HOST, stream)

    def _copy(self, to: int, source: int, size_bytes: int, kind: int, stream: int) -> None:
        self._call(
            "cudaMemcpyAsync",
            ctypes.c_void_p(to),
            ctypes.c_void_p(source),
            ctypes.c_size_t(size_bytes),
            ctypes.c_int(kind),
            ctypes.c_void_p(stream),
        )

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise ModelError(
                f"CUDA's {name} gave error {status}",
                hint="is the GPU there and free? see: edge-emo doctor",
            )


def empty(shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """Return a contiguous array to download into."""
    return np.empty(shape, dtype)
