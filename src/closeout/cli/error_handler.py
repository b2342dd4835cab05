"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import gettempdir

from closeout.console import failures, layout, output, progress
from closeout.errors import CloseoutError, ExitCode, is_full
from closeout.process import stops

_ADOPTED_HOME = ".closeout"
_IGNORED = "# Evidence, undo data and environments belong to the machine that made them.\n*\n"
_REFUSED = {errno.EACCES, errno.EEXIST, errno.ENOTDIR, errno.EPERM, errno.EROFS}


def spoken(options: Namespace, home: Path, action: Callable[[], ExitCode]) -> ExitCode:
    """Run `action` as `guarded` does, and let the command speak as its options ask for."""
    quiet, verbose = options.quiet, options.verbose
    with output.turn(options.command, as_json=options.json, quiet=quiet, verbose=verbose):
        return guarded(home, action)


def guarded(home: Path, action: Callable[[], ExitCode]) -> ExitCode:
    """Run `action` and return its code; an expected error is printed, our own bug is logged.

    A failure of ours that was kept where it happened makes the code OWN_BUG all the same.
    """
    try:
        with stops.raised():
            return _told(home, action)
    except KeyboardInterrupt:  # before the action began, or while its end was told
        output.warn(layout.of_error(_interrupted()))
        return ExitCode.INTERRUPTED


def _told(home: Path, action: Callable[[], ExitCode]) -> ExitCode:
    with progress.shown(), failures.logged(home / failures.LOG) as bugs:
        code, error = _attempted(home, action)
    _keep_to_this_machine(home)
    if bugs and error is None:
        code, error = ExitCode.OWN_BUG, _bug("; ".join(bugs))
    if error is not None:
        output.warn(layout.of_error(error))
    output.finish(code, error)
    # Only now: it loads the reports, and a parser that prints its help has none.
    import_module("closeout.reporting.github").tell(output.given(), error)
    return code


def _attempted(home: Path, action: Callable[[], ExitCode]) -> tuple[ExitCode, CloseoutError | None]:
    try:
        return action(), None
    except CloseoutError as error:
        return error.exit_code, error
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED, _interrupted()
    except Exception as error:  # noqa: BLE001 - the boundary: nothing may reach the user as a traceback
        if isinstance(error, OSError) and (told := _refused(home, error)):
            return told.exit_code, told
        failures.noted("the command", error)
        return ExitCode.OWN_BUG, None


def _keep_to_this_machine(home: Path) -> None:
    """Keep what a command left in an adopted monorepo out of its history."""
    ignored = home / ".gitignore"
    if home.name == _ADOPTED_HOME and home.is_dir() and not ignored.exists():
        with suppress(OSError):  # a home that cannot be written to holds nothing of ours
            ignored.write_text(_IGNORED)


def _interrupted() -> CloseoutError:
    return CloseoutError(
        "interrupted",
        "the command was stopped; nothing is half-written.",
        hint="run the command again.",
        exit_code=ExitCode.INTERRUPTED,
    )


def _bug(told: str) -> CloseoutError:
    return CloseoutError("bug-of-ours", told, hint=failures.HINT, exit_code=ExitCode.OWN_BUG)


def _refused(home: Path, error: OSError) -> CloseoutError | None:
    """Return what is told where the system refuses to write, None for a bug of ours."""
    is_homes = _is_below(home, error.filename)
    if is_homes and (error.errno in _REFUSED or is_full(error)):
        return CloseoutError(
            "home-not-writable",
            f"{error.filename} cannot be written: {error.strerror}.",
            hint=f"make {home}, which keeps reports and builds, writable, or work in a copy of it.",
        )
    if not is_full(error):
        return None
    return CloseoutError(
        "disk-full",
        f"{error.filename or 'a file'} cannot be written: {error.strerror}.",
        hint=f"make room in {home}, which keeps reports and builds, and in {gettempdir()}, "
        "where scratch copies stand (TMPDIR names another), then run the command again.",
    )


def _is_below(home: Path, place: object) -> bool:
    return isinstance(place, str) and Path(place).absolute().is_relative_to(home.absolute())
