"""A camera that serves MJPEG over HTTP, and misbehaves on request: a real server in threads."""

from __future__ import annotations

import socket
import threading

import cv2
import numpy as np

from edge_emo.drivers.virtual_scene import draw_number

_HEAD = (
    b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n"
    b"Cache-Control: no-cache\r\n\r\n"
)


class MjpegServer:
    """Serves numbered frames at a steady pace to every client.

    Each client gets its own numbers, which begin at 0. A bad frame has a number too.

    Args:
        rate_hz: Frames per second.
    """

    def __init__(self, rate_hz: float = 50.0) -> None:
        self._period_s = 1.0 / rate_hz
        self._changed = threading.Condition()
        self._moving = True
        self._answering = True
        self._bad_left = 0
        self._sent = 0
        self._generation = 0
        self._clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._port = 0
        self.requests: list[str] = []
        self._listen()

    @property
    def url(self) -> str:
        """Where to find it; the same after :meth:`come_back`."""
        return f"http://127.0.0.1:{self._port}/video.mjpg"

    def stall(self) -> None:
        """Keep connections open and send no more frames."""
        with self._changed:
            self._moving = False

    def resume(self) -> None:
        """Go on after :meth:`stall`."""
        with self._changed:
            self._moving = True
            self._changed.notify_all()

    def refuse_to_answer(self) -> None:
        """Accept connections from now on, and say nothing."""
        self._answering = False

    def corrupt(self, frames: int) -> None:
        """Send noise in place of the next ``frames`` pictures."""
        with self._changed:
            self._bad_left = frames

    def wait_sent(self, number: int, timeout_s: float = 20.0) -> None:
        """Wait until the newest client was sent its frame ``number``."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._sent > number, timeout_s)

    def wait_corrupted(self, timeout_s: float = 20.0) -> None:
        """Wait until all bad frames asked for were sent."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._bad_left == 0, timeout_s)

    def die(self) -> None:
        """Close every connection and stop listening."""
        with self._changed:
            self._generation += 1
            self._changed.notify_all()
        for client in [self._listener, *self._clients]:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side closed it first
            finally:
                client.close()
        for thread in self._threads:
            thread.join(5.0)
        self._clients, self._threads = [], []

    def come_back(self) -> None:
        """Listen again at the same address."""
        self._moving = True
        self._listen()

    def __enter__(self) -> MjpegServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        self._start(self._accept, self._listener, self._generation)

    def _start(self, target, *arguments) -> None:  # type: ignore[no-untyped-def]
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, generation: int) -> None:
        while self._generation == generation:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._clients.append(client)
            self._start(self._serve, client, generation)

    def _serve(self, client: socket.socket, generation: int) -> None:
        try:
            self.requests.append(client.recv(4096).decode().split()[1])
            if self._answering:
                client.sendall(_HEAD)
                self._play(client, generation)
        except OSError:
            return  # the client went away

    def _play(self, client: socket.socket, generation: int) -> None:
        number = 0
        while self._wait_turn(generation):
            client.sendall(self._part(number))
            number += 1
            with self._changed:
                self._sent = number
                self._changed.notify_all()

    def _wait_turn(self, generation: int) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._generation != generation, self._period_s)
            self._changed.wait_for(lambda: self._moving or self._generation != generation)
            return self._generation == generation

    def _part(self, number: int) -> bytes:
        with self._changed:
            is_bad, self._bad_left = self._bad_left > 0, max(0, self._bad_left - 1)
        body = b"\xff\xd8\xff\xe0" + bytes(2000) if is_bad else jpeg(number)
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body + b"\r\n"


def jpeg(number: int) -> bytes:
    """Return a JPEG with ``number`` drawn into it, red on the left and blue on the right."""
    image = np.zeros((240, 320, 3), np.uint8)
    image[:, :160, 0] = 220
    image[:, 160:, 2] = 220
    draw_number(image, number)
    done, data = cv2.imencode(".jpg", image[:, :, ::-1])
    assert done
    return bytes(data)
