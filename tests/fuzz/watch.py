"""Work on a case in a process of its own: a deadline, a bound of memory, and folders that stay.

The process is a fork of this one, so that no parser is loaded anew, and it leads a group of its
own, so that a program it started ends with it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.acts import BrokenError, Place, act, snapshot
from tests.fuzz.cases import Case
from tests.fuzz.samples import ROOT
from tests.support.failures import let_through

_MEMORY = 2 * 1024**3
_TICK = 0.005
_LINES = 40
_WIDTH = 300
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = frozenset(
    ["os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"]
)
_FREE = ("/dev/null", "/dev/tty", "/proc/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a case ended: `trouble` is empty where everything held."""

    word: str
    trouble: str = ""
    """What happened: the kind of error and the place of ours it came from."""
    told: str = ""
    """The traceback, or what was changed."""


def work_on(case: Case, deadline: float) -> Outcome:
    """Return how `case` ended within `deadline` seconds."""
    with _written(case) as place:
        apart = snapshot(place.outside)
        outcome = _forked(case, place, deadline)
        if outcome.trouble:
            return outcome
        if snapshot(place.outside) != apart:
            return Outcome(word="escaped", trouble="wrote outside the monorepo")
        strays = {item.name for item in place.folder.iterdir()} - _OURS
        left = [item.name for item in place.scratch.iterdir()]
        if strays or left:
            return Outcome(
                word="strays", trouble="left files behind", told=", ".join([*strays, *left])
            )
        return outcome


_OURS = frozenset(["root", "home", "outside", "scratch", "outcome.json", "shown.txt"])


@contextmanager
def _written(case: Case) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="closeout-fuzz-", ignore_cleanup_errors=True) as name:
        place = Place(folder=Path(name).resolve())
        for folder in (place.root, place.home, place.outside, place.scratch):
            folder.mkdir()
        (place.outside / "canary.txt").write_bytes(b"nobody sings here\n")
        for above, files in ((place.root, case.root), (place.home, case.home)):
            for path, content in files.items():
                target = above / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.replace(ROOT, os.fsencode(place.root)))
        yield place
        for stubborn in place.folder.iterdir():
            shutil.rmtree(stubborn, ignore_errors=True)


def _forked(case: Case, place: Place, deadline: float) -> Outcome:
    child = os.fork()
    if child == 0:
        _work(case, place)
    end = time.monotonic() + deadline
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > end:
            _end_group(child)
            os.waitpid(child, 0)
            return Outcome(word="hang", trouble=f"still running after {deadline:.0f} seconds")
        time.sleep(_TICK)
    _end_group(child)
    try:
        return Outcome(**json.loads((place.folder / "outcome.json").read_bytes()))
    except (OSError, ValueError):
        code = os.waitstatus_to_exitcode(status)
        return Outcome(word="death", trouble=f"the process ended with {code}")


def _end_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _work(case: Case, place: Place) -> None:
    """Be the child: never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.environ["TMPDIR"] = str(place.scratch)
        tempfile.tempdir = None
        sys.dont_write_bytecode = True
        os.chdir(place.folder)
        with (place.folder / "shown.txt").open("w", encoding="utf-8", newline="\n") as shown:
            sys.stdout = sys.stderr = shown
            sys.addaudithook(_guard(place))
            outcome = _outcome(case, place)
        document = {"word": outcome.word, "trouble": outcome.trouble, "told": outcome.told}
        (place.folder / "outcome.json").write_text(json.dumps(document))
        code = 0
    finally:
        os._exit(code)


def _outcome(case: Case, place: Place) -> Outcome:
    try:
        with let_through():
            return Outcome(word=act(case.kind, place))
    except BrokenError as error:
        where = str(error).partition(":")[0]
        return Outcome(word="broken", trouble=where, told=str(error))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is what we look for
        told = traceback.format_exc()
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if "closeout" in frame.filename and "fuzzing" not in frame.filename
        ]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "nowhere"
        word = "escaped" if isinstance(error, PermissionError) else "crash"
        lines = [line[:_WIDTH] for line in told.splitlines()[-_LINES:]]
        trouble = f"{type(error).__name__} in {where}"
        return Outcome(word=word, trouble=trouble, told="\n".join(lines))


def _guard(place: Place) -> Callable[[str, tuple[object, ...]], None]:
    """Return a hook that stops this process where it would change something elsewhere."""
    inside = f"{place.folder}{os.sep}"

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & _WRITING:
                return
            paths = [path]
        elif event in _CHANGES:
            paths = [item for item in arguments if isinstance(item, str | bytes)]
        else:
            return
        for path in paths:
            if not isinstance(path, str | bytes):
                continue
            real = os.path.realpath(os.fsdecode(path))
            if not real.startswith((inside, *_FREE)):
                raise PermissionError(f"{event} outside the case: {real}")

    return hook
