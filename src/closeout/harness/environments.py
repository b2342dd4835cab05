"""Make Python environments from pin files: the one way in which anything pinned is installed.

Standard library only, for `bootstrap.py` calls it before anything is installed, and so does a
workflow: `python -m closeout.harness.environments requirements/closeout.txt` installs into its own
Python.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.harness import installation

_STAMP = "made-from"
_EARLY = (
    'import sys; exec("try:\\n from closeout.cli import early\\n'
    'except ImportError:\\n pass\\nelse:\\n early.quiet_door()")'
)
"""The line that our environment runs at its start: Ctrl-C ends a door that is still being loaded.

An older commit that is checked out beside the same environment has no such module.
"""
_LONGEST_FIRST_LINE = 127
"""Bytes of a script's first line that every kernel reads."""


def ensure(folder: Path, requirements: str) -> Path:
    """Return the Python of an environment at `folder` that holds exactly `requirements`.

    `requirements` is a path below this installation, such as `requirements/live.txt`.
    """
    return made(folder, (installation.pin_file(requirements),))


def made(folder: Path, files: Sequence[Path], *, project: Path | None = None) -> Path:
    """Return the Python of an environment at `folder` made from pin files, and from `project`.

    One that was made whole from the same bytes, by the same Python, at the same place is used
    again; any other is made anew. Who comes while it is being made waits for that.
    Raises CloseoutError("environment-failed") and CloseoutError("environment-not-writable").
    """

    def fill(lock: int) -> None:
        python = _python(folder)
        installation.install(python, files, lock=lock)
        if project:
            installation.install_project(python, project, lock=lock)
            _point_relatively(folder, project)

    return _once(folder, lambda: _wanted(folder, files, project), fill)


def resolved(folder: Path, requirements: Sequence[str], *, deadline: float) -> Path:
    """Return the Python of an environment at `folder` with what others require, which pip resolves.

    What a foreign project requires is no pin file: whoever is first resolves it, within
    `deadline` seconds, and everybody after finds the same.
    Raises CloseoutError as `made` does.
    """

    def fill(lock: int) -> None:
        installation.resolve(_python(folder), requirements, lock=lock, deadline=deadline)

    return _once(folder, lambda: _digest(folder, requirements), fill)


def _once(folder: Path, wanted_now: Callable[[], str], fill: Callable[[int], None]) -> Path:
    """Return the Python of the environment, made and filled where it is not whole."""
    try:
        wanted = wanted_now()
        if not _is_whole(folder, wanted):
            with _alone_in(folder) as lock:
                if not _is_whole(folder, wanted):
                    _empty(folder, lock)
                    fill(lock)
                    _mend_first_lines(folder)
                    _write_stamp(folder, wanted)
    except OSError as error:
        raise CloseoutError(
            "environment-not-writable",
            f"the environment {folder} cannot be made: {error.strerror}"
            + (f" ({error.filename})." if error.filename else "."),
            hint="make its folder writable and see that the disk has room, or work in a copy.",
        ) from error
    return _python(folder)


def is_made(folder: Path, files: Sequence[Path], *, project: Path | None = None) -> bool:
    """Return whether `made` would find the environment whole."""
    try:
        return _is_whole(folder, _wanted(folder, files, project))
    except OSError:
        return False


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _wanted(folder: Path, files: Sequence[Path], project: Path | None) -> str:
    """Return a digest of all that an environment depends on; a copy elsewhere is another one."""
    sources = [*files, installation.pin_file(installation.BUILDERS)]
    parts = []
    if project:
        parts.append(str(project))
        sources.append(project / "pyproject.toml")
    parts += [hashlib.sha256(source.read_bytes()).hexdigest() for source in sources]
    return _digest(folder, parts)


def _digest(folder: Path, more: Sequence[str]) -> str:
    parts = [sys.version, sys.base_prefix, str(folder.absolute()), *more]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _is_whole(folder: Path, wanted: str) -> bool:
    try:
        return (folder / _STAMP).read_text() == wanted and _python(folder).exists()
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[int]:
    """Lock the folder itself, for the block and for a program that outlives a killed call."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"waiting for another call, which makes {folder.name}/\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _empty(folder: Path, lock: int) -> None:
    """Make an environment with nothing in it but pip."""
    # The stamp goes first: what is left of a killed removal must not look whole.
    (folder / _STAMP).unlink(missing_ok=True)
    for place in folder.iterdir():
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
    maker = ["venv"]
    if importlib.util.find_spec("virtualenv"):  # not where this Python is in the emptied folder
        # Eight times as fast, and without ensurepip, which Debian has in a package of its own.
        maker = ["virtualenv", "--no-periodic-update"]
    installation.run((_outside(folder), "-P", "-m", *maker, folder), lock)


def _outside(folder: Path) -> str:
    """Return this Python, or the one it is made from where it goes with the old environment."""
    if not Path(sys.executable).is_relative_to(folder):
        return sys.executable
    return str(getattr(sys, "_base_executable", sys.executable))


def _write_stamp(folder: Path, wanted: str) -> None:
    """Say that the environment is whole, by a file that is itself whole or absent."""
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as stream:
        os.fchmod(stream.fileno(), 0o644)  # who may only read a checkout asks whether it is whole
        stream.write(wanted)
        stream.flush()
        os.fsync(stream.fileno())
    Path(stream.name).replace(folder / _STAMP)


def _point_relatively(folder: Path, project: Path) -> None:
    """Have the environment find the project by a path of ASCII letters only.

    Up to Python 3.12 a path file is read in the locale's encoding, and a line that this cannot
    tell, as with LC_ALL=C, ends the interpreter.
    """
    for place in folder.glob("lib/python*/site-packages/_*editable*.pth"):
        source = os.path.relpath((project / "src").resolve(), place.parent.resolve())
        place.write_text(f"{source}\n{_EARLY}\n", encoding="utf-8")


def _mend_first_lines(folder: Path) -> None:
    """Have programs start where the path of their Python holds a blank or is long.

    pip sees to that for entry points, but not for a script that a wheel carries, such as `aws`.
    """
    python = os.fsencode(_python(folder).absolute())
    plain = b"#!%b\n" % python
    mended = b"#!/bin/sh\n'''exec' \"%b\" \"$0\" \"$@\"\n' '''\n" % python
    if b" " not in python and len(plain) <= _LONGEST_FIRST_LINE:
        return
    for place in (folder / "bin").iterdir():
        if place.is_file() and not place.is_symlink():
            content = place.read_bytes()
            if content.startswith(plain):
                place.write_bytes(mended + content.removeprefix(plain))


def main(names: Sequence[str]) -> int:
    """Install pin files of this installation into the Python that runs this."""
    try:
        files = [installation.pin_file(name) for name in names or ("no pin file",)]
        installation.install(Path(sys.executable), files)
    except CloseoutError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
