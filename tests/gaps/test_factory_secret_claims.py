"""Each tree claims its devices at a place of its own, under names of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from closeout.gaps.factory_secret.claims import Claims, claims_of, refresh_secret
from closeout.model import ProbeContext
from tests.support.builders import write_files

_USUAL = "/api/v1/provisioning/claim"
_HANDLER = b"const { serialNo, claimCode, tenantId } = req.body\n"


@contextmanager
def _answering(path: str) -> Iterator[str]:
    """Serve a service that knows one place alone."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(400 if self.path == path else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("sources", "path"),
    [
        ({"index.ts": b"app.post('/api/devices/provision', claim)\n"}, "/api/devices/provision"),
        (
            {
                "index.ts": b"app.use('/health', health)\napp.use('/api/v2/factory', devices)\n",
                "routes.ts": b"router.post('/', claimGuard, take)\nrouter.post('/other', other)\n",
            },
            "/api/v2/factory/",
        ),
        (
            {
                "index.ts": b"app.use('/api', routes)\n",
                "routes/index.ts": b"router.use('/devices', devices)\n",
                "routes/devices.ts": b"router.post('/claim', take)\n",
            },
            "/api/devices/claim",
        ),
        ({"index.ts": b"app.post('/orders', order)\n"}, _USUAL),
    ],
)
def test_a_claim_goes_to_the_route_that_the_service_has(
    tmp_path: Path, sources: dict[str, bytes], path: str
) -> None:
    """Its own path, below whatever it is mounted on; the order's, where none is found."""
    files = {f"cloud/registry/src/{name}": text for name, text in sources.items()}
    write_files(tmp_path, {**files, "cloud/registry/src/take.ts": _HANDLER})
    with _answering(path) as url:
        context = ProbeContext(root=tmp_path, scratch=tmp_path, services={"registry": url})
        found = claims_of(context, "registry")
    assert found == Claims(path=path, code="claimCode", serials=("serialNo",))


def test_the_secret_of_long_lived_tokens_is_called_as_the_service_calls_it(tmp_path: Path) -> None:
    """The order's name, where no source of the service has one."""
    write_files(
        tmp_path,
        {
            "identity/src/a.ts": b"const s = process.env.REFRESH_TOKEN_SECRET || 'x'\n",
            "other/src/a.ts": b"process.env.OTHER_REFRESH_SECRET\n",
        },
    )
    assert refresh_secret(tmp_path, "identity") == "REFRESH_TOKEN_SECRET"
    assert refresh_secret(tmp_path, "gone") == "JWT_REFRESH_SECRET"
