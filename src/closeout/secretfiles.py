"""Write key and certificate files: their final mode from the first byte, whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from closeout.errors import CloseoutError


def write_private(path: Path, content: bytes) -> None:
    """Write a secret that its owner alone may read; replaces what is there atomically."""
    _replace(path, content, 0o600)


def write_public(path: Path, content: bytes) -> None:
    """Write a file that anyone may read; replaces what is there atomically."""
    _replace(path, content, 0o644)


def make_folder(path: Path, mode: int) -> None:
    """Make the folder with this mode, and its parents.

    Raises CloseoutError behind a symbolic link and without the right to write.
    """
    if path.is_symlink() or path.parent.is_symlink():
        raise CloseoutError(
            "certificates-linked",
            f"{path} is a symbolic link: keys would be written elsewhere.",
            hint="replace the link by a folder.",
        )
    try:
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(mode)
    except OSError as error:
        raise _unwritable(path, error) from error


def _replace(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        handle = os.open(draft, flags, mode)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> CloseoutError:
    return CloseoutError(
        "certificates-unwritable",
        f"{path} cannot be written: {error.strerror}.",
        hint="free the disk or fix the folder's owner; what was there before is intact.",
    )
