"""Make this checkout's environment from its pins, then run a command in it.

    python3 bootstrap.py invoke fix.all
    python3 bootstrap.py nox -s tests

From any folder: Invoke finds the tasks, and Nox the sessions, of this checkout. Standard library
only: it runs before anything is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
VENV = HOME / ".venv"
PINS = HOME / "requirements" / "closeout.txt"
OLDEST = (3, 11)
UNUSABLE = 2
STOPPED = 130


def main(command: list[str]) -> int:
    """Run `command` in the environment and return its exit code."""
    if sys.version_info < OLDEST:
        return _told("python-too-old", "Python 3.11 is needed.", "python3.11 bootstrap.py COMMAND")
    if not command:
        return _told("no-command", "nothing to run.", "python3 bootstrap.py invoke fix.all")
    sys.path.insert(0, str(HOME / "src"))
    from closeout.errors import CloseoutError  # noqa: PLC0415 - the same
    from closeout.harness import environments  # noqa: PLC0415 - an older Python cannot read it

    try:
        if not environments.is_made(VENV, [PINS], project=HOME):
            sys.stderr.write(f"installing the pinned packages into {VENV.name}/\n")
        programs = environments.made(VENV, [PINS], project=HOME).parent
    except CloseoutError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    return _run(command, programs)


def _run(command: list[str], programs: Path) -> int:
    if not (programs / command[0]).exists():
        return _told(
            "command-unknown",
            f"{command[0]} is not a program of {VENV.name}/bin.",
            "python3 bootstrap.py invoke --list",
        )
    if command[0] == "nox" and not os.access(HOME, os.W_OK):
        return _told(
            "checkout-read-only",
            f"nox makes environments in {HOME}, which cannot be written.",
            "make the checkout writable, or work in a copy of it.",
        )
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": str(VENV)}
    argv = [str(programs / command[0]), *_from_here(command[0]), *_absolute(command)]
    try:
        return subprocess.run(argv, env=environment, check=False).returncode
    except OSError as error:
        return _told(
            "command-not-run", f"{argv[0]}: {error.strerror}.", f"delete {VENV}, try again."
        )


def _from_here(program: str) -> list[str]:
    """Return the words by which a door finds this checkout, whatever the current folder."""
    if program == "invoke":
        return ["--search-root", str(HOME)]
    return ["--noxfile", str(HOME / "noxfile.py")] if program == "nox" else []


def _absolute(command: list[str]) -> list[str]:
    """Return a command's words; Nox goes to its own folder, so a root is named from the top."""
    words = command[1:]
    if command[0] != "nox":
        return words
    before = ["", *words]
    return [
        str(Path(word).absolute()) if last == "--root" else word
        for last, word in zip(before, words, strict=False)
    ]


def _told(reference: str, message: str, hint: str) -> int:
    sys.stderr.write(f"error: {reference}\n  {message}\nhint: {hint}\n")
    return UNUSABLE


def _guarded() -> int:
    try:
        return main(sys.argv[1:])
    except KeyboardInterrupt:
        _told("interrupted", "the command was stopped.", "run it again; nothing half made is used.")
        return STOPPED


if __name__ == "__main__":
    sys.exit(_guarded())
