"""A stack that a service shows in development is asked for again, as in production."""

from __future__ import annotations

from pathlib import Path

import pytest

from closeout.harness import in_production
from closeout.harness.boot import Booted, booted, node_launch
from closeout.harness.http import Request, send
from closeout.model import ProbeContext
from tests.support.builders import write_files

pytestmark = [pytest.mark.needs("node")]

_SERVER = """
const http = require('http')
http.createServer((_, answer) => {
  answer.statusCode = 400
  answer.end(%s ? 'SyntaxError\\n    at parse (node_modules/x.js)' : 'no')
}).listen(process.env.PORT)
"""


@pytest.mark.parametrize(
    ("shows", "faults", "note"),
    [
        ("true", ("a stack is in the answer, in production as well",), ""),
        ("process.env.NODE_ENV !== 'production'", (), "in production there is none"),
        ("false", (), ""),
    ],
)
def test_what_a_service_shows_in_production_decides(
    tmp_path: Path, shows: str, faults: tuple[str, ...], note: str
) -> None:
    """Express's own handler shows a stack to whoever asks it in development."""
    files = {"package.json": b"{}", "server.js": (_SERVER % shows).encode()}
    launch = node_launch(
        write_files(tmp_path / "one", files), {"NODE_ENV": "development"}, entry="server.js"
    )
    request = Request(method="POST", path="/", body=b"{")
    with booted(launch, tmp_path / "own.log") as service:
        assert isinstance(service, Booted), service.reason
        context = ProbeContext(
            root=tmp_path,
            scratch=tmp_path,
            services={"one": service.url},
            settings={"launch.one": launch.text()},
        )
        seen = in_production.stacks(context, "one", [(request, send(service.url, request))])
    assert seen.faults == faults
    assert seen.note.endswith(note)
    assert bool(seen.note) == bool(note)
