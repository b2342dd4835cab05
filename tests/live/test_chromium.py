"""A real browser tells a documentation page that renders from one that stays empty with 200."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from closeout.gaps.headers.probing.behaviour import docs_render
from closeout.model import ProbeContext

PAGE = b"""<!DOCTYPE html><html><body><div id="swagger-ui"></div>
<script src="https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: '/openapi.json', presets: [SwaggerUIBundle.presets.apis]})</script>
</body></html>"""
OPEN = "script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; connect-src 'self'"


@contextmanager
def _documented(policy: str) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            schema = self.path == "/openapi.json"
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if schema else "text/html")
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(b'{"paths": {"/": {}}}' if schema else PAGE)

        def log_message(self, *_: object) -> None:
            """Keep the terminal clean."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


@pytest.mark.live
@pytest.mark.needs("chromium")
@pytest.mark.parametrize(
    ("policy", "renders"),
    [
        (OPEN, True),
        ("default-src 'self'", False),
        (OPEN.replace(" 'unsafe-inline'", ""), False),
        (OPEN.replace("connect-src 'self'", "connect-src 'none'"), False),
    ],
    ids=["as ours", "self only", "no inline script", "no schema"],
)
def test_docs_render_follows_the_policy(tmp_path: Path, policy: str, *, renders: bool) -> None:
    """The viewer's script, the inline one and the schema all have to be let through."""
    with _documented(policy) as url:
        context = ProbeContext(
            root=tmp_path,
            scratch=tmp_path,
            services={"docs": url},
            settings={"docs.docs": "/api-docs"},
        )
        seen = docs_render("docs", context)
    assert seen.passed is renders, seen.observed
