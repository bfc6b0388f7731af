"""A serial line of a given speed in front of a TCP port, and how much goes over it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

_PIECE = 16


class PacedLine:
    """Relays one connection at so many bytes a second each way, as a UART would.

    Args:
        port: TCP port of the board.
        bytes_per_s: Bytes a second of each direction.

    Attributes:
        target: Where the host connects.
        to_board: Bytes that went to the board.
        to_host: Bytes that came back.
    """

    def __init__(self, port: int, bytes_per_s: float) -> None:
        self.to_board = 0
        self.to_host = 0
        self._port = port
        self._piece_s = 1.0 / bytes_per_s
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._serve, daemon=True)]

    def __enter__(self) -> PacedLine:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._listener.close()
        for thread in self._threads:
            thread.join(2.0)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            host, _ = self._listener.accept()
            board = socket.create_connection(("127.0.0.1", self._port))
            for end in (host, board):
                end.settimeout(0.1)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self._relay, args=(board, host, "to_host"), daemon=True)
            self._threads.append(back)
            back.start()
            self._relay(host, board, "to_board")
            host.close()
            board.close()

    def _relay(self, source: socket.socket, sink: socket.socket, counter: str) -> None:
        free_s = time.monotonic()
        with contextlib.suppress(OSError):
            while not self._stop.is_set():
                try:
                    data = source.recv(_PIECE)
                except TimeoutError:
                    continue
                if not data:
                    return
                free_s = max(free_s, time.monotonic()) + len(data) * self._piece_s
                self._stop.wait(max(0.0, free_s - time.monotonic()))
                sink.sendall(data)
                setattr(self, counter, getattr(self, counter) + len(data))
