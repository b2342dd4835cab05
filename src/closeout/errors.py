"""Errors a user can act on, and the exit codes of every command."""

from __future__ import annotations

import errno
from enum import IntEnum

_FULL = {errno.EDQUOT, errno.EFBIG, errno.ENOSPC}


class ExitCode(IntEnum):
    """What a command's exit status says; the numbers are a contract."""

    SETTLED = 0
    GAPS_LEFT = 1
    UNUSABLE_INPUT = 2
    OWN_BUG = 3
    UNPROVEN = 4
    INTERRUPTED = 130


class CloseoutError(Exception):
    """An expected failure: what happened, where, and what to do next."""

    def __init__(
        self,
        reference: str,
        message: str,
        *,
        hint: str,
        exit_code: ExitCode = ExitCode.UNUSABLE_INPUT,
    ) -> None:
        """Keep `reference` (a stable kebab-case name), the message and the next step."""
        super().__init__(message)
        self.reference = reference
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        """Format as the three lines every door prints."""
        return f"error: {self.reference}\n  {self.message}\nhint: {self.hint}"


def is_full(error: BaseException) -> bool:
    """Return whether the system had no room for what was to be written: nobody's bug."""
    return isinstance(error, OSError) and error.errno in _FULL
