"""Keep a failure of our own where it happened, with its traceback in one log.

A gap, a probe or a session that fails by itself must not take the others with it. Whoever guards
one of them turns the exception into a value here; the command still ends with `OWN_BUG`.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError, ExitCode, is_full
from closeout.model import Observation, Reason, Unresolved

LOG = Path("reports") / "bug.log"
"""Where failures of our own leave their tracebacks, below the home folder, one after the other."""
HINT = f"report it, please, with the full log: {LOG}."

_LONGEST = 300
"""Characters of an exception's last line that are told; the log holds all of it."""
_LOGGER = logging.getLogger(__name__)
_LOGGER.propagate = False
_TOP = PurePosixPath()
"""The place of what concerns a whole gap: the tree's top folder."""


def noted(where: str, error: Exception) -> str:
    """Log a failure of ours with its traceback; return it in one line that names the log.

    A disk without room is none: that error is raised again, since it ends the whole command.
    """
    if is_full(error):
        raise error
    last = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    told = f"{where} failed: {last[:_LONGEST]}"
    _LOGGER.error(told, exc_info=error)
    return f"{told} (see {LOG})"


def of_gap(where: str, error: Exception) -> Unresolved:
    """Return why nothing of a gap can be judged or written: a bug, or input it cannot use."""
    if isinstance(error, CloseoutError) and error.exit_code is not ExitCode.OWN_BUG:
        detail = f"{where}: {error.reference}: {error.message}"
        return Unresolved(path=_TOP, reason=Reason.UNUSABLE, detail=detail, hint=error.hint)
    return Unresolved(path=_TOP, reason=Reason.OURS, detail=noted(where, error), hint=HINT)


def of_probe(where: str, error: Exception) -> Observation:
    """Return what is seen of a probe that failed by itself: it did not run, and why.

    What it could not use is for the reader to mend; everything else is a bug of ours.
    """
    if isinstance(error, CloseoutError) and error.exit_code is not ExitCode.OWN_BUG:
        seen, bug = f"{error.message} ({error.hint})", ""
    elif is_full(error):
        seen, bug = str(error), ""
    else:
        seen = bug = noted(where, error)
    return Observation(
        passed=None, expected="the probe runs", observed=seen, command=where, bug=bug
    )


@contextmanager
def logged(log: Path) -> Iterator[list[str]]:
    """Append what is noted during the block to `log`; yield a list that grows by what it was."""
    handler = _Log(log)
    _LOGGER.addHandler(handler)
    try:
        yield handler.told
    finally:
        _LOGGER.removeHandler(handler)


class _Log(logging.Handler):
    """Append each failure to a file once, however often it is met."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self._place = place
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message in self.told:
            return
        self.told.append(message)
        # A home that cannot be written to must not hide what happened.
        with suppress(OSError):
            self._place.parent.mkdir(exist_ok=True)
            with self._place.open("a", encoding="utf-8", errors="backslashreplace") as log:
                log.write(f"{self.format(record)}\n\n")
