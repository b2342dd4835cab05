"""What a close-out reads and the reference monorepo does not hold: settings, and a run's folder."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path, PurePosixPath

from closeout.cli.commands import fix
from closeout.fs import writer
from closeout.fs.tree import DiskTree, below
from closeout.gaps import GAPS
from closeout.runs import store
from closeout.runs.workspace import REFERENCE, Workspace

ROOT = b"@ROOT@"
"""Stands in a kept run for the monorepo's folder, which is another one for every case."""

_SERVICE = PurePosixPath("cloud-layer/cloud-inference-server")
_RUN = "20260102T030405.000000Z-fix-0000"
_MOMENT = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?")

SETTINGS: Mapping[str, bytes] = {
    "closeout.toml": (
        b"[[service]]\n"
        b'name = "cloud-inference-server"\n'
        b'folder = "cloud-layer/cloud-inference-server"\n'
        b'kind = "fastapi"\n'
        b'app = "app.main:app"\n'
        b'env = { MODE = "dummy" }\n'
        b'stubs = ["tensorrt"]\n'
    ),
    "waivers.toml": (
        b"[[waiver]]\n"
        b'criterion = "9.2"\n'
        b'who = "A. Person"\n'
        b"when = 2026-01-02\n"
        b'why = "the cluster comes later"\n'
        b"until = 2099-01-02\n\n"
        b"[[waiver]]\n"
        b'probe = "headers.docs-render@cloud-inference-server"\n'
        b'who = "A. Person"\n'
        b'when = "2026-01-02"\n'
        b'why = "no one reads them"\n'
        b'until = "never"\n'
    ),
}


@cache
def kept_run() -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    """Return a small monorepo as a close-out left it, and the run folder that it left."""
    with tempfile.TemporaryDirectory(prefix="closeout-samples-") as folder:
        root, home = Path(folder).resolve() / "root", Path(folder).resolve() / "home"
        home.mkdir()
        reference = DiskTree(REFERENCE)
        for path in below(reference, _SERVICE):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            writer.durable_write(root / path, reference.read(path) or b"", reference.mode(path))
        space = Workspace(home=home, root=root, origin="sample")
        with redirect_stdout(io.StringIO()):
            fix.fix(space, GAPS)
        run = next(store.of_root(space.reports, root))
        named = ((run.id.encode(), _RUN.encode()), (str(root).encode(), ROOT))
        kept = {
            f"reports/{_RUN}/{place.relative_to(run.folder).as_posix()}": _fixed(place, named)
            for place in sorted(run.folder.rglob("*"))
            if place.is_file()
        }
        fixed = DiskTree(root)
        return {str(path): fixed.read(path) or b"" for path in fixed.paths()}, kept


def _fixed(place: Path, named: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Return a file's bytes without what differs from one run to the next."""
    content = place.read_bytes()
    for old, new in named:
        content = content.replace(old, new)
    return _MOMENT.sub(b"2026-01-02T03:04:05", content)
