"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from closeout.errors import CloseoutError, ExitCode

BUG_LOG = Path("reports") / "bug.log"
"""Where a failure of our own leaves its traceback, below the home folder."""


def guarded(home: Path, action: Callable[[], ExitCode]) -> ExitCode:
    """Run `action` and return its code; an expected error is printed, our own bug is logged."""
    try:
        return action()
    except CloseoutError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; run the command again, or invoke fix.undo", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except Exception:  # noqa: BLE001 - the boundary: nothing may reach the user as a traceback
        log = home / BUG_LOG
        log.parent.mkdir(exist_ok=True)
        log.write_text(traceback.format_exc())
        last = traceback.format_exc().strip().splitlines()[-1]
        print(
            f"error: bug-of-ours\n  {last}\nhint: the full log is {BUG_LOG}; please report it.",
            file=sys.stderr,
        )
        return ExitCode.OWN_BUG
