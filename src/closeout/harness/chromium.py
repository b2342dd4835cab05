"""Open a page in headless Chromium and return what it made of it.

There is no internet: every foreign host is served by a stand-in of ours on loopback, over TLS with
a certificate of its own, so that the page's policy meets the hosts that it names.
"""

from __future__ import annotations

import http.server
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError
from closeout.formats import x509

PROGRAM = "chromium"
DEADLINE = 90.0
"""Seconds for one page; on a quiet machine it takes two."""

_VIRTUAL_MILLISECONDS = 8000
_FLAGS = (
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--ignore-certificate-errors"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A page after its scripts ran, and what it fetched from the stand-in."""

    dom: str
    fetched: tuple[str, ...]


def opened(url: str, script: str, scratch: Path) -> Opened:
    """Return the page at `url`; any script that it loads from another host is `script`.

    Raises CloseoutError("chromium-failed") where the browser gives no page.
    """
    with _stand_in(script, scratch) as (port, fetched):
        result = process.run(
            [
                PROGRAM,
                *_FLAGS,
                *(("--no-sandbox",) if os.geteuid() == 0 else ()),
                f"--user-data-dir={scratch / 'profile'}",
                f"--host-resolver-rules={_rules(port)}",
                f"--virtual-time-budget={_VIRTUAL_MILLISECONDS}",
                "--dump-dom",
                url,
            ],
            cwd=scratch,
            env={"HOME": str(scratch)},
            deadline=DEADLINE,
        )
    if not result.ok or not result.out.strip():
        said = result.err.strip().splitlines() or ["it said nothing"]
        raise CloseoutError(
            "chromium-failed",
            f"{PROGRAM} ended with {result.code}: {said[-1]}",
            hint="open the page by hand with the same flags.",
        )
    return Opened(dom=result.out, fetched=tuple(fetched))


class _Quiet(http.server.ThreadingHTTPServer):
    """Serves a browser that opens connections on suspicion and drops them."""

    def handle_error(self, *_: object) -> None:
        """Keep a dropped connection off the terminal."""


def _rules(port: int) -> str:
    return f"MAP *:443 127.0.0.1:{port},EXCLUDE 127.0.0.1,MAP * ~NOTFOUND"


@contextmanager
def _stand_in(script: str, scratch: Path) -> Iterator[tuple[int, list[str]]]:
    fetched: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fetched.append(f"{self.headers.get('Host', '')}{self.path}")
            kind = "text/javascript" if self.path.endswith(".js") else "text/css"
            body = script.encode() if self.path.endswith(".js") else b""
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the terminal for the report."""

    server = _Quiet(("127.0.0.1", 0), Handler)
    server.socket = _tls(scratch).wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    serving = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    try:
        yield server.server_address[1], fetched
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def _tls(scratch: Path) -> ssl.SSLContext:
    key, signing, now = x509.new_key(), x509.new_key(), datetime.now(UTC)
    signer = x509.Authority(certificate=x509.authority(signing, now=now), key=signing)
    # The browser ignores the name and the signer, but not a key that may not be used for TLS.
    certificate = x509.server(signer, key, names=("localhost",), now=now)
    place = scratch / "stand-in.pem"
    place.touch(mode=0o600)
    place.write_bytes(x509.key_pem(key) + x509.pem(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place)
    return context
