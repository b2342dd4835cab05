"""A small monorepo under attack: commands as children that are stopped at one of their steps.

A child is a fork of this process, which has imported and planned everything, or the real command
line, which takes some seconds for each.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from closeout.cli.commands import fix, undo
from closeout.cli.error_handler import guarded
from closeout.engine import patch_series, planner
from closeout.errors import ExitCode
from closeout.fs import lock
from closeout.fs.tree import DiskTree
from closeout.fs.walk import JOURNAL
from closeout.gaps import GAPS
from closeout.runs.workspace import Workspace
from tests.support import hostile
from tests.support.builders import snapshot
from tests.support.monorepos import TASKS

WHOLE = "CLOSEOUT_WHOLE_SERIES"
"""In the environment: run every series in full, and say in the file that it names how it went."""
ROUNDS = "CLOSEOUT_ATTACK_ROUNDS"
"""In the environment: how many rounds every series has."""
SEED = "CLOSEOUT_ATTACK_SEED"
"""In the environment: a number; with another one a series has other moments."""
DOOR = "CLOSEOUT_ATTACK_DOOR"
"""In the environment: the program, `invoke`, that commands are started by; without it forks are."""
_ENOUGH = 20
BUSY, STOPPED = 2, 130
DONE = {0, 1, 4}
"""How a command ends that did all it should; a fix may leave gaps, or something unproven."""
STEPS = ("fsync", "link", "mkdir", "open", "replace", "rmdir", "unlink")
"""Functions of `os` that change a disk, or ask it to remember."""

Act = Callable[[Workspace], ExitCode]
Snapshot = Mapping[str, tuple[bytes, int]]


def rounds(sample: int, series: int) -> range:
    """Return how often to attack: a sample, or the whole series."""
    asked = os.environ.get(ROUNDS)
    return range(int(asked) if asked else series if os.environ.get(WHOLE) else sample)


def chance(series: int) -> random.Random:
    """Return what chooses the moments of a series."""
    return random.Random(1000 * int(os.environ.get(SEED) or 0) + series)  # noqa: S311 - no secret


def is_short() -> bool:
    """Return whether a series was asked for that is too short to meet what it is about."""
    return int(os.environ.get(ROUNDS) or _ENOUGH) < _ENOUGH


def seconds(fork: float, real: float) -> float:
    """Return what a fork does within such a time, or what the real command line takes for it."""
    return real if os.environ.get(DOOR) else fork


def told(series: str, **figures: int) -> None:
    """Keep what a whole series came to."""
    if place := os.environ.get(WHOLE):
        with Path(place).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"series": series, **figures}) + "\n")


@cache
def plan(root: Path) -> planner.Plan:
    """Return what a fix of the arena writes; all of them write the same."""
    return planner.plan(GAPS, DiskTree(root), lambda slug: patch_series.load(fix.PATCHES, slug))


@dataclass(frozen=True)
class Arena:
    """One tree, one home for its runs, and how the tree looks before a fix and after one."""

    folder: Path
    before: Snapshot
    after: Snapshot

    @property
    def root(self) -> Path:
        """Return the tree."""
        return self.folder / "root"

    @property
    def space(self) -> Workspace:
        """Return the workspace that the first command works in."""
        return Workspace(home=self.folder / "home", root=self.root, origin="attack")

    def fix(self, space: Workspace) -> ExitCode:
        """Write as `fix.all` does, the plan being made already."""
        with lock.held(space.root):
            undo.recover(space)
            now = DiskTree(space.root)
            edits = tuple(
                edit for edit in plan(self.root).edits if now.read(edit.path) != edit.after
            )
            fix.write(space, planner.Plan(before={}, after={}, proposals=(), edits=edits))
        return ExitCode.SETTLED

    def whole_fix(self, space: Workspace) -> ExitCode:
        """Fix with all that belongs to it, planning and judging too."""
        return fix.fix(space, GAPS)

    def undo(self, space: Workspace) -> ExitCode:
        """Undo the latest run."""
        return undo.undo(space, "")

    def state(self) -> str:
        """Return `before`, `after` or `mixed`; a transaction's journal is none of the tree."""
        seen = snapshot(self.root).items()
        now = {path: held for path, held in seen if not path.startswith(f"{JOURNAL}/")}
        if now == self.after:
            return "after"
        return "before" if now == self.before else "mixed"

    def renew(self, *, fixed: bool = False) -> None:
        """Forget all runs and begin again, with a tree as before a fix or as after one."""
        shutil.rmtree(self.folder / "home", ignore_errors=True)
        shutil.rmtree(self.folder / "elsewhere", ignore_errors=True)
        if self.state() != "before" or (self.root / JOURNAL).exists():
            shutil.rmtree(self.root)
            hostile.small_monorepo(self.root)
        if fixed:
            assert start(self.fix, self.space).wait() == 0
            assert self.state() == "after"


def made(folder: Path) -> Arena:
    """Return an arena in a fresh folder."""
    root = hostile.small_monorepo(folder / "root")
    before = snapshot(root)
    plan(root)  # once, for all the children
    arena = Arena(folder=folder, before=before, after={})
    assert start(arena.fix, arena.space).wait() == 0
    whole = Arena(folder=folder, before=before, after=snapshot(root))
    assert start(whole.undo, whole.space).wait() == 0
    assert whole.state() == "before"
    return whole


class Child:
    """A command in a process of its own."""

    def __init__(self, pid: int, done: Container[int] = ()) -> None:
        """Watch the process; the codes `done` say that the command did all that it should."""
        self.pid = pid
        self._done = done

    def wait(self) -> int:
        """Return how it ended: a code, or the negative number of the signal."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return 0 if code in self._done else code

    def suspended(self) -> bool:
        """Wait until it is suspended; return False where it ended instead."""
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        self.ended = None if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)
        return os.WIFSTOPPED(status)

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


def start(
    act: Act, space: Workspace, step: int = -1, then: Callable[[], None] | None = None
) -> Child:
    """Start a command; `then` is called before its step of that number."""
    if os.environ.get(DOOR):
        return _by_command_line(act, space, step, then)
    # What the parent imported and planned, the child need not do again.
    pid = os.fork()
    if pid:
        return Child(pid)
    code = 99
    try:
        quiet = os.open(os.devnull, os.O_RDWR)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        if then is not None:
            _interpose(step, then)
        code = int(guarded(space.home, lambda: act(space)))
    finally:
        os._exit(code)


def _by_command_line(
    act: Act, space: Workspace, step: int, then: Callable[[], None] | None, told: str = ""
) -> Child:
    """Start the program that a person would; a fix that leaves gaps has done what it should."""
    space.home.mkdir(exist_ok=True)
    (space.home / "tasks.py").write_text(TASKS)
    attack = {
        "ATTACK_STEP": str(step),
        "ATTACK_WITH": _WITH.get(then, "") if then else "",
        **({"ATTACK_STEPS": told} if told else {}),
    }
    path = os.pathsep.join([str(Path(__file__).parent / "interposed"), *sys.path])
    process = subprocess.Popen(
        [
            Path(sys.executable).with_name(os.environ[DOOR]),
            *("--search-root", space.home, _COMMANDS[act.__name__], "--root", space.root),
        ],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **attack},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=space.home.parent,
    )
    process.returncode = 0  # it is waited for by its number
    return Child(process.pid, {0} if act.__name__ == "undo" else DONE)


def steps_of(act: Act, space: Workspace, folder: Path) -> int:
    """Return how many steps a command takes, by doing it."""
    place = folder / "steps"
    if os.environ.get(DOOR):
        _by_command_line(act, space, -1, None, str(place)).wait()
        return int(place.read_text())
    pid = os.fork()
    if not pid:
        count = _interpose(-1, lambda: None)
        quiet = os.open(os.devnull, os.O_RDWR)
        os.dup2(quiet, 1)
        act(space)
        place.write_text(str(count()))
        os._exit(0)
    os.waitpid(pid, 0)
    return int(place.read_text())


def kill() -> None:
    """End the process as nothing can prevent."""
    os.kill(os.getpid(), signal.SIGKILL)


def suspend() -> None:
    """Stop the process until somebody lets it go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


def fill_disk() -> None:
    """Let no step find room."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def stop(number: int) -> Callable[[], None]:
    """Return what asks the process to end, always the same for one signal."""
    return _STOPS[number]


_STOPS = {
    number: partial(signal.raise_signal, number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
}
_WITH: Mapping[Callable[[], None], str] = {
    kill: str(int(signal.SIGKILL)),
    suspend: str(int(signal.SIGSTOP)),
    fill_disk: "full",
    **{then: str(int(number)) for number, then in _STOPS.items()},
}
_COMMANDS = {"fix": "fix.all", "whole_fix": "fix.all", "undo": "fix.undo"}


def _interpose(step: int, then: Callable[[], None]) -> Callable[[], int]:
    """Call `then` before the step of that number; return what tells how many there were."""
    taken = [0]

    def counted(honest: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            if honest.__name__ != "open" or int(str(given[1])) & os.O_CREAT:
                taken[0] += 1
                if taken[0] - 1 == step:
                    then()
            return honest(*given, **named)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    return lambda: taken[0]


def pause(random_source: random.Random, longest: float) -> None:
    """Wait for a moment."""
    time.sleep(random_source.random() * longest)
