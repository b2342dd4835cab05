"""Make isolated Python environments from hash-pinned requirements, once."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError
from closeout.fs import writer
from closeout.resources import BUNDLE

_MINUTES = 60.0
_INDEX_SETTINGS = ("PIP_", "VIRTUALENV_", "HTTP_", "HTTPS_", "NO_PROXY", "http_", "https_")


def ensure(folder: Path, requirements: str) -> Path:
    """Return the Python of an environment at `folder` that holds exactly `requirements`.

    `requirements` is a path below this installation, such as `requirements/live.txt`. An
    environment made from the same file by the same Python is used again; another is replaced.
    Raises CloseoutError("environment-failed") with the installer's last words.
    """
    source = BUNDLE / requirements
    if not source.is_file():
        raise CloseoutError(
            "requirements-missing",
            f"{requirements} is not a file of this installation.",
            hint="name one of them, such as requirements/live.txt.",
        )
    wanted = hashlib.sha256(source.read_bytes() + sys.version.encode()).hexdigest()
    stamp, python = folder / "made-from", folder / "bin" / "python"
    if python.exists() and stamp.is_file() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _must([sys.executable, "-m", "virtualenv", "--quiet", folder])
    _must(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", source]
    )
    writer.durable_write(stamp, wanted.encode())
    return python


def _must(argv: list[str | Path]) -> None:
    # The installer's own settings name the package index and its certificates.
    kept = {name: value for name, value in os.environ.items() if name.startswith(_INDEX_SETTINGS)}
    result = process.run(argv, env=kept, deadline=15 * _MINUTES)
    if not result.ok:
        raise CloseoutError(
            "environment-failed",
            f"{result.command} ended with {result.code}: {result.err.strip()[-800:]}",
            hint="check the package index and the disk, then run the session again.",
        )
