"""Start one service from a private copy of its tree and wait until it listens, or say why not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from subprocess import Popen
from threading import Event

from closeout.harness import service_log
from closeout.harness.http import NoAnswerError, Request, send
from closeout.model import ProbeContext, StandIns
from closeout.process import pace, running

_HERE = Path(__file__).resolve().parent / "launchers"
_PYTHON_LAUNCHER = _HERE / "python.py"
_NODE_LAUNCHER = _HERE / "node.cjs"
_TWICE = "started twice: "
_PAUSE = 0.05
_ONE_ANSWER = 2.0
_LONGEST_ANSWER = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How one service is started; `environment` is all it gets beyond paths and locale."""

    service: str
    argv: tuple[str, ...]
    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)
    filled: tuple[str, ...] = ()
    """The variables of `environment` that nobody gives the service, and that it demands."""
    note: str = ""
    """What else is to be told of it in the evidence."""
    lock: str = ""
    """The lock file that was resolved for it, where the service has none."""

    def with_environment(self, extra: Mapping[str, str]) -> Launch:
        """Return the same start with `extra` over its environment."""
        return replace(self, environment={**self.environment, **extra})

    def with_arguments(self, *words: str) -> Launch:
        """Return the same start with `words` after its arguments."""
        return replace(self, argv=(*self.argv, *words))

    def without(self, *names: str) -> Launch:
        """Return the same start without the variables `names`."""
        kept = {key: value for key, value in self.environment.items() if key not in names}
        return replace(self, environment=kept)

    def text(self) -> str:
        """Return the launch as JSON, the form in which a probe's context carries it."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """A service that listens; `told` is the launcher's JSON line."""

    service: str
    url: str
    log: Path
    told: Mapping[str, object]

    @property
    def stand_ins(self) -> StandIns:
        """Return which launcher started it and what it put in place of what, for the evidence."""
        return StandIns(
            service=self.service,
            launcher=str(self.told.get("launcher", "started as it is")),
            note=str(self.told.get("note") or ""),
            stubbed=self.names("stubbed"),
            filled=self.names("filled"),
            replaced=self.names("replaced"),
        )

    @property
    def manner(self) -> str:
        """Return the same in a line."""
        return str(self.stand_ins)

    def names(self, kind: str) -> tuple[str, ...]:
        """Return what the launcher `stubbed`, `filled` or `replaced`."""
        found = self.told.get(kind)
        return tuple(map(str, found)) if isinstance(found, list) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBooted:
    """A service that does not listen, with the reason and its log's last lines."""

    service: str
    reason: str
    has_ended: bool = True
    """Whether it ended by itself; else it was given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process on its way up; its own part of the log begins at `since`."""

    launch: Launch
    process: Popen[bytes]
    log: Path
    since: int


def launch_of(context: ProbeContext, service: str) -> Launch:
    """Return how the battery started `service`, for a probe that needs a process of its own.

    Raises KeyError where the service was not started; name it in the probe's `needs`.
    """
    return Launch(**json.loads(context.settings[f"launch.{service}"]))


def python_launch(
    folder: Path,
    python: Path,
    environment: Mapping[str, str],
    *,
    app: str = "app.main",
    stubs: Sequence[str] = (),
) -> Launch:
    """Return how to start the ASGI application `app` of `folder` with the interpreter `python`.

    `stubs` are modules to stand in for, beside those that are not installed.
    """
    return Launch(
        service=folder.name,
        argv=(
            str(python),
            str(_PYTHON_LAUNCHER),
            *("--app-dir", str(folder)),
            *("--target", app),
            *(word for name in stubs for word in ("--stub", name)),
            *("--parent", str(os.getpid())),
            *("--server-header", _banner(folder)),
        ),
        folder=str(folder),
        environment=environment,
    )


def _banner(folder: Path) -> str:
    """Return whether the service is told to be started with the server's banner, on or off.

    The banner is added outside the application, so how the service is started decides.
    """
    for name, silenced in (
        ("Dockerfile", "--no-server-header"),
        ("app/main.py", "server_header=False"),
    ):
        place = folder / name
        if place.is_file() and silenced in place.read_text(errors="replace"):
            return "off"
    return "on"


def node_launch(
    folder: Path,
    environment: Mapping[str, str],
    *,
    entry: str = "dist/index.js",
    runner: Path | None = None,
) -> Launch:
    """Return how to start the file `entry` of `folder`.

    `runner` is the `node_modules` of what runs TypeScript as it stands, unchecked.
    """
    loader = () if runner is None else ("--import", str(runner / "tsx" / "dist" / "loader.mjs"))
    return Launch(
        service=folder.name,
        argv=("node", "--require", str(_NODE_LAUNCHER), *loader, entry),
        folder=str(folder),
        environment={**environment, "CLOSEOUT_PARENT": str(os.getpid())},
    )


@contextmanager
def started(launch: Launch, log: Path) -> Iterator[Started]:
    """Keep the process of `launch` for the block; it may still be on its way up."""
    log.parent.mkdir(parents=True, exist_ok=True)
    since = log.stat().st_size if log.exists() else 0
    with running(launch.argv, log=log, cwd=Path(launch.folder), env=launch.environment) as server:
        yield Started(launch=launch, process=server, log=log, since=since)


def listening(start: Started, deadline: float, stop: Event) -> Booted | NotBooted:
    """Wait until the service answers or has ended, or is given up: at `stop`, or in its time.

    It has `deadline` seconds as a quiet machine counts them, and more as long as it works.
    """
    waiting = pace.Waiting(deadline, group=start.process.pid, log=start.log)
    patience = _ONE_ANSWER
    while waiting.lasts() and not stop.is_set():
        told = service_log.told(start.log, start.since)
        if told:
            url = f"http://127.0.0.1:{told['port']}"
            if _answers(url, patience):
                return _booted(start, url, told)
            # Many questions that nobody waits for any more would keep a slow service from this one.
            patience = min(2 * patience, _LONGEST_ANSWER)
        code = start.process.poll()
        if code is not None:
            return _not_booted(start, f"ended with status {code} before it listened")
        stop.wait(_PAUSE)
    what = "the run was interrupted" if stop.is_set() else f"did not listen {waiting.waited}"
    return replace(_not_booted(start, what), has_ended=False)


def _booted(start: Started, url: str, told: Mapping[str, object]) -> Booted:
    launch = start.launch
    filled = told.get("filled")
    both = [*launch.filled, *(filled if isinstance(filled, list) else [])]
    whole = {**told, "filled": both, "note": launch.note}
    return Booted(service=launch.service, url=url, log=start.log, told=whole)


@contextmanager
def booted(
    launch: Launch, log: Path, *, deadline: float | None = None, stop: Event | None = None
) -> Iterator[Booted | NotBooted]:
    """Run a service for the block, begun when fewer than the pace's `workers` are booting.

    One that does not come up in its time is started once more.
    """
    seconds = min(pace.current().deadline, pace.BOOT_DEADLINE) if deadline is None else deadline
    stop = stop or Event()
    with ExitStack() as stack:
        outcome = _boot(stack, launch, log, seconds, stop)
        if isinstance(outcome, NotBooted) and not outcome.has_ended and not stop.is_set():
            stack.close()
            outcome = twice(_boot(stack, launch, log, seconds, stop))
        yield outcome


@contextmanager
def workers(stop: Event) -> Iterator[ThreadPoolExecutor]:
    """Yield as many workers as services may boot at a time.

    An interrupt sets `stop`, and does not wait for the services that are still on their way.
    """
    with ThreadPoolExecutor(max_workers=pace.current().workers) as made:
        try:
            yield made
        except BaseException:
            stop.set()
            made.shutdown(cancel_futures=True)
            raise


def twice(outcome: Booted | NotBooted) -> Booted | NotBooted:
    """Return the outcome of a second start, which says so where it is a loss too."""
    if isinstance(outcome, Booted):
        return outcome
    told = outcome.reason.removeprefix(_TWICE)
    return replace(outcome, reason=f"{_TWICE}{told}")


def _boot(
    stack: ExitStack, launch: Launch, log: Path, deadline: float, stop: Event
) -> Booted | NotBooted:
    with pace.turn():
        try:
            start = stack.enter_context(started(launch, log))
        except OSError as error:
            reason = f"{launch.argv[0]}: {error.strerror}"
            return NotBooted(service=launch.service, reason=reason)
        return listening(start, deadline, stop)


def _not_booted(start: Started, what: str) -> NotBooted:
    return NotBooted(
        service=start.launch.service, reason=f"{what}; log: {service_log.tail(start.log)}"
    )


def _answers(url: str, patience: float) -> bool:
    """Return whether an answer comes: a socket takes connections before its server serves them."""
    try:
        send(url, Request(path="/"), deadline=patience)
    except NoAnswerError:
        return False
    return True
