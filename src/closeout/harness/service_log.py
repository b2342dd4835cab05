"""What a service has written since it was started, and its launcher's own line in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from closeout.model import ProbeContext

_SHOWN = 6


def log_of(context: ProbeContext, service: str) -> str:
    """Return what the booted `service` has written so far, its last 256 KiB."""
    return Path(context.settings[f"log.{service}"]).read_text(errors="replace")[-262_144:]


def tail(log: Path) -> str:
    """Return the log's last lines on one line, without the launcher's own."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return "(no log)"
    said = [line.strip() for line in lines if line.strip() and not _is_noise(line)]
    return " | ".join(said[-_SHOWN:]) or "(empty)"


def told(log: Path, since: int) -> Mapping[str, object] | None:
    """Return what the launcher tells of the service in the log from `since` on, if it does yet."""
    with log.open("rb") as written:
        written.seek(since)
        text = written.read().decode("utf-8", "replace")
    for line in text.splitlines():
        if _is_launcher_line(line):
            try:
                found: Mapping[str, object] = json.loads(line)
            except json.JSONDecodeError:
                return None
            return found
    return None


def _is_noise(line: str) -> bool:
    # Node puts an error's message above ten lines of stack.
    return _is_launcher_line(line) or line.startswith("    at ")


def _is_launcher_line(line: str) -> bool:
    return line.startswith('{"closeout"')
