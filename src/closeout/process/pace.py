"""Know how busy the machine is: how much to start at a time, and how long to wait for it.

A deadline in seconds is right on one machine only. Here it is what a quiet one needs; it grows with
the time that a process takes to start now, and lasts on while the process that is waited for works.
Nothing is measured before a deadline has passed, so a quiet machine pays nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

BOOT_DEADLINE = 60.0
"""Seconds from the start of a service to its first answer, on a quiet machine."""

_REFERENCE = (sys.executable, "-I", "-c", "import argparse, http.client, json")
_REFERENCE_SECONDS = 0.1
"""What the reference start takes on a quiet machine with two cores."""
_SLOWEST = 20.0
_MEASURED_FOR = 15.0
"""Seconds for which a measurement is good: load comes and goes."""
_WINDOWS = 6
"""How many times within its deadline a process has to show that it works."""
_AT_MOST = 4
"""How many deadlines a process gets that works on and on."""
_WORKING = 0.01
"""The share of one core that a process takes which is on its way; a hanging one polls with less."""
_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many services may boot at a time, and the seconds that each has on a quiet machine."""

    workers: int = field(default_factory=usable_cores)
    deadline: float = BOOT_DEADLINE


class _Machine:
    """The pace that is kept, and what was measured last."""

    pace: ClassVar[Pace] = Pace()
    turns: ClassVar[threading.BoundedSemaphore] = threading.BoundedSemaphore(pace.workers)
    slowness: ClassVar[float] = 1.0
    until: ClassVar[float] = 0.0
    lock: ClassVar[threading.Lock] = threading.Lock()


def current() -> Pace:
    """Return the pace that is kept now."""
    return _Machine.pace


@contextmanager
def kept(pace: Pace) -> Iterator[None]:
    """Keep `pace` for the block, in every thread."""
    earlier = _Machine.pace, _Machine.turns
    _Machine.pace, _Machine.turns = pace, threading.BoundedSemaphore(pace.workers)
    try:
        yield
    finally:
        _Machine.pace, _Machine.turns = earlier


@contextmanager
def turn() -> Iterator[None]:
    """Wait until fewer than `workers` services are booting, and count as one for the block."""
    with _Machine.turns:
        yield


def slowness() -> float:
    """Return how many times as long as on a quiet machine a process takes to start, 1 to 20."""
    with _Machine.lock:
        if time.monotonic() >= _Machine.until:
            _Machine.slowness = min(max(_reference_start() / _REFERENCE_SECONDS, 1.0), _SLOWEST)
            _Machine.until = time.monotonic() + _MEASURED_FOR
        return _Machine.slowness


def _reference_start() -> float:
    began = time.monotonic()
    # Not by `shell`, whose own deadlines are stretched by what is measured here.
    try:
        subprocess.run(_REFERENCE, check=False, timeout=_SLOWEST * _REFERENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return _SLOWEST * _REFERENCE_SECONDS
    return time.monotonic() - began


def scaled(seconds: float) -> float:
    """Return what a quiet machine does within `seconds` as this one's seconds, at this moment."""
    return patient(seconds) * slowness()


def patient(seconds: float) -> float:
    """Return `seconds`, or more where more than the usual deadline was asked for."""
    return seconds * max(1.0, current().deadline / BOOT_DEADLINE)


class Waiting:
    """A wait of `seconds` as a quiet machine counts them, asked again and again by `lasts`.

    With the leader of a process group, or a log, it goes on beyond them as long as the group
    uses the processor or the log grows: each sixth of the deadline anew, four deadlines at most.
    """

    def __init__(self, seconds: float, *, group: int = 0, log: Path | None = None) -> None:
        """Begin to wait now."""
        self.seconds = patient(seconds)
        self._group, self._log = group, log
        self._began = time.monotonic()
        self._until = self._began + self.seconds
        self._done = self._written = 0.0

    def lasts(self) -> bool:
        """Return whether to wait on."""
        now = time.monotonic()
        if now < self._until:
            return True
        factor = slowness()
        deadline = self._began + self.seconds * factor
        if now < deadline:
            self._until = deadline
            return True
        window = self.seconds * factor / _WINDOWS
        goes_on = now < deadline + (_AT_MOST - 1) * self.seconds * factor and self._works(window)
        self._until = now + window
        return goes_on

    @property
    def waited(self) -> str:
        """Return the deadline in words, and how much longer the wait was."""
        more = time.monotonic() - self._began - self.seconds
        beyond = f", nor in {more:.0f} s more" if more >= 1 else ""
        return f"within {self.seconds:g} s{beyond}"

    def _works(self, window: float) -> bool:
        """Return whether there was any progress since this was asked last."""
        used, is_waiting_for_a_core = _use(self._group) if self._group else (0.0, False)
        written = float(_size(self._log)) if self._log else 0.0
        works = is_waiting_for_a_core or used - self._done >= window * _WORKING
        works = works or written > self._written
        self._done, self._written = used, written
        return works


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _use(group: int) -> tuple[float, bool]:
    """Return the processor seconds of a group, and whether one of it would run if it could.

    A system without /proc tells nothing, and there the log alone shows progress.
    """
    ticks, could_run = 0, False
    for place in _PROC.glob("[0-9]*/stat"):
        try:
            fields = place.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if len(fields) > 14 and int(fields[2]) == group:  # noqa: PLR2004 - proc(5)'s own numbers
            ticks += sum(map(int, fields[11:15]))
            could_run = could_run or fields[0] in "RD"
    return ticks / _TICK, could_run
