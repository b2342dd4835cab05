"""Boot the services of several trees, each by its launcher, with the packages that it pins.

As many are made ready or boot at a time as the pace allows: all at once, each would starve the
others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from threading import Event

from closeout.errors import CloseoutError
from closeout.fs.tree import DiskTree
from closeout.harness import (
    boot,
    filling,
    postgres,
    service_database,
    service_environments,
    service_launch,
    started_program,
)
from closeout.harness.boot import Booted, Launch, NotBooted
from closeout.harness.service_discovery import EXPRESS, FASTAPI, LAYERS, Member, roster
from closeout.harness.service_environments import Interpreter

_FILLINGS = 5


@dataclass(slots=True, kw_only=True)
class Fleet:
    """The services of one tree: those that listen, and why the others do not."""

    up: dict[str, Booted] = field(default_factory=dict)
    down: dict[str, str] = field(default_factory=dict)
    launches: dict[str, Launch] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    """What the image of a service starts, where that is never the app that is asked here."""

    @property
    def urls(self) -> dict[str, str]:
        """Return service folder to base URL, as a probe's context wants it."""
        return {name: service.url for name, service in self.up.items()}

    @property
    def settings(self) -> dict[str, str]:
        """Return what the launchers found out, as a probe's context wants it."""
        shared = {f"launch.{name}": launch.text() for name, launch in self.launches.items()}
        for name, service in self.up.items():
            for key in ("docs", "openapi", "methods"):
                shared[f"{key}.{name}"] = _text(service.told.get(key, ""))
            shared[f"log.{name}"] = str(service.log)
        return shared


def _usual(tree: Path, name: str) -> Member | str:
    """Return the service of the usual folder, by its files alone, or why there is none."""
    folders = (PurePosixPath(layer) / name for layer in LAYERS)
    folder = next((folder for folder in folders if (tree / folder).is_dir()), None)
    if folder is None:
        return f"the tree has no service folder {name}"
    if (tree / folder / "app" / "main.py").is_file():
        return Member(name=name, folder=folder, kind=FASTAPI)
    if (tree / folder / "package.json").is_file():
        return Member(name=name, folder=folder, kind=EXPRESS)
    return f"{name} is neither an ASGI nor a Node service"


@contextmanager
def fleets(
    trees: Mapping[str, Path],
    services: Sequence[str],
    *,
    python: Path,
    cache: Path,
    scratch: Path,
) -> Iterator[Mapping[str, Fleet]]:
    """Run `services` of every tree, label to private copy, for the block.

    A service that a tree does not have, or that does not build or boot, is in its fleet's `down`
    with the reason. One that does not boot is started once more, when the others are up.
    """
    made = {label: Fleet() for label in trees}
    with ExitStack() as stack:
        yard = _Yard(stack=stack, python=python, cache=cache, scratch=scratch)
        berths = []
        for label, tree in trees.items():
            disk = DiskTree(tree)
            known = roster(disk) if services else {}
            for name in services:
                member = known.get(name) or _usual(tree, name)
                if isinstance(member, str):
                    made[label].down[name] = member
                    continue
                berths.append(_Berth(label=label, tree=tree, member=member))
                if other := started_program.other_program(disk, member.folder):
                    made[label].others[name] = other
        yard.furnish(berths)
        for berth, outcome in yard.all_up(berths):
            fleet, name = made[berth.label], berth.member.name
            if berth.launch is not None:
                fleet.launches[name] = berth.launch
            if isinstance(outcome, Booted):
                fleet.up[name] = outcome
            else:
                fleet.down[name] = outcome.reason
        yield made


@dataclass(slots=True, kw_only=True)
class _Berth:
    """One service of one tree; `launch` is how it is started, once that is known."""

    label: str
    tree: Path
    member: Member
    launch: Launch | None = None

    @property
    def key(self) -> str:
        """Return what no other service of any tree is called."""
        return f"{self.label}/{self.member.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Yard:
    """Where services are made ready and started; what runs ends with `stack`."""

    stack: ExitStack
    python: Path
    cache: Path
    scratch: Path
    stop: Event = field(default_factory=Event)
    interpreters: dict[str, Interpreter] = field(default_factory=dict)

    def furnish(self, berths: Iterable[_Berth]) -> None:
        """Find or make the environments of the FastAPI services."""
        folders = {
            berth.key: berth.tree / berth.member.folder
            for berth in berths
            if berth.member.kind == FASTAPI
        }
        self.interpreters.update(
            service_environments.interpreters(folders, self.python, self.cache)
        )

    def all_up(self, berths: Iterable[_Berth]) -> list[tuple[_Berth, Booted | NotBooted]]:
        """Start everything, in any order, and return what became of it."""
        # What takes longest comes first: an Express service is installed before it boots.
        waiting = sorted(berths, key=lambda berth: berth.member.kind != EXPRESS)
        with boot.workers(self.stop) as workers:
            return self._started(waiting, workers)

    def _started(
        self, berths: Sequence[_Berth], workers: ThreadPoolExecutor
    ) -> list[tuple[_Berth, Booted | NotBooted]]:
        server: Future[postgres.Server] | None = None
        if any(berth.member.kind == EXPRESS for berth in berths):
            # The first task of all, so that those who wait for it never keep it from a worker.
            server = workers.submit(_server, self.stack, self.scratch, self.cache)
        coming = [workers.submit(self._first, berth, server) for berth in berths]
        outcomes = [future.result() for future in coming]
        again = [
            workers.submit(self._second, berth, outcome)
            for berth, outcome in zip(berths, outcomes, strict=True)
        ]
        return [(berth, future.result()) for berth, future in zip(berths, again, strict=True)]

    def _first(self, berth: _Berth, server: Future[postgres.Server] | None) -> Booted | NotBooted:
        name = berth.member.name
        try:
            if server is None or berth.member.kind == FASTAPI:
                launch = service_launch.of_fastapi(
                    berth.tree, berth.member, self.interpreters[berth.key]
                )
            else:
                folder = berth.tree / berth.member.folder
                database = f"{berth.label}_{name}"
                dsn = service_database.create(server.result(), database, folder)
                launch = service_launch.of_express(
                    berth.tree, berth.member, service_launch.node_settings(dsn), self.cache
                )
        except CloseoutError as error:
            return NotBooted(service=name, reason=error.message)
        berth.launch = launch
        return self._boot(berth, launch)

    def _second(self, berth: _Berth, outcome: Booted | NotBooted) -> Booted | NotBooted:
        # One that was given up was already started twice.
        if isinstance(outcome, Booted) or berth.launch is None or not outcome.has_ended:
            return outcome
        # A service names the settings that it lacks one by one, each time as its last word.
        for _ in range(_FILLINGS):
            launch = filling.filled(berth.launch, berth.tree, berth.member, outcome.reason)
            is_more = launch != berth.launch
            berth.launch = launch
            outcome = boot.twice(self._boot(berth, launch))
            if isinstance(outcome, Booted) or not is_more:
                break
        return outcome

    def _boot(self, berth: _Berth, launch: Launch) -> Booted | NotBooted:
        log = self.scratch / "logs" / f"{berth.label}-{launch.service}.log"
        with ExitStack() as own:
            outcome = own.enter_context(boot.booted(launch, log, stop=self.stop))
            if isinstance(outcome, Booted):
                self.stack.push(own.pop_all())
        return outcome


def _server(stack: ExitStack, scratch: Path, cache: Path) -> postgres.Server:
    return stack.enter_context(postgres.server(scratch, templates=cache))


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
