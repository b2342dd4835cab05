"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

from closeout.console import output, progress
from closeout.errors import CloseoutError, ExitCode
from closeout.reporting import github

BUG_LOG = Path("reports") / "bug.log"
"""Where a failure of our own leaves its traceback, below the home folder."""


def guarded(home: Path, action: Callable[[], ExitCode]) -> ExitCode:
    """Run `action` and return its code; an expected error is printed, our own bug is logged."""
    with progress.shown():
        code, error = _attempted(home, action)
    if error is not None:
        output.warn(str(error))
    output.finish(code, error)
    github.tell(output.given(), error)
    return code


def _attempted(home: Path, action: Callable[[], ExitCode]) -> tuple[ExitCode, CloseoutError | None]:
    try:
        return action(), None
    except CloseoutError as error:
        return error.exit_code, error
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED, CloseoutError(
            "interrupted",
            "the command was stopped.",
            hint="run the command again, or invoke fix.undo.",
            exit_code=ExitCode.INTERRUPTED,
        )
    except Exception:  # noqa: BLE001 - the boundary: nothing may reach the user as a traceback
        log = home / BUG_LOG
        log.parent.mkdir(exist_ok=True)
        log.write_text(traceback.format_exc())
        last = traceback.format_exc().strip().splitlines()[-1]
        return ExitCode.OWN_BUG, CloseoutError(
            "bug-of-ours",
            last,
            hint=f"report it, please, with the full log: {BUG_LOG}.",
            exit_code=ExitCode.OWN_BUG,
        )
