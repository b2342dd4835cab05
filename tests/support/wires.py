"""Servers between a client and its bucket that cut, change or refuse, on loopback."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_LOOPBACK = "127.0.0.1"
_PIECE = 4096


class Wire:
    """What passes to a server: ends for good after `budget` bytes, and `changes` bytes in it."""

    def __init__(self, target: str, budget: int, changes: tuple[bytes, bytes]) -> None:
        """Listen in front of the server at the URL `target`."""
        port = urlsplit(target).port
        assert port is not None
        self.target = port
        self.left = budget
        self.changes = changes
        self.listener = socket.create_server((_LOOPBACK, 0))
        self.url = f"http://{_LOOPBACK}:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection((_LOOPBACK, self.target))
                for one, other, counted in ((near, far, True), (far, near, False)):
                    threading.Thread(
                        target=self._pass, args=(one, other, counted), daemon=True
                    ).start()

    def _pass(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                if counted:
                    piece = piece.replace(*self.changes)
                    self.left -= len(piece)
                    if self.left < 0:
                        break
                sink.sendall(piece)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def wire_to(
    target: str, *, budget: int = 1 << 40, changes: tuple[bytes, bytes] = (b"\0unseen\0", b"")
) -> Iterator[str]:
    """Run a wire to `target` for the block and yield its URL."""
    wire = Wire(target, budget, changes)
    threading.Thread(target=wire.serve, daemon=True).start()
    try:
        yield wire.url
    finally:
        # A thread that waits in accept() keeps the port until somebody calls.
        with contextlib.suppress(OSError):
            wire.listener.shutdown(socket.SHUT_RDWR)
        wire.listener.close()


@contextmanager
def answering(status: int) -> Iterator[tuple[str, list[str]]]:
    """Answer every request with `status` for the block; yield the URL and the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_PUT = do_POST = do_HEAD = _answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((_LOOPBACK, 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://{_LOOPBACK}:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()
