"""Boot the services of several trees at once: FastAPI by the launcher, Express as it is built."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from closeout.errors import CloseoutError
from closeout.fs.tree import DiskTree
from closeout.harness import boot, postgres, service_database
from closeout.harness.boot import Booted, Launch, NotBooted, Started
from closeout.harness.service_discovery import EXPRESS, FASTAPI, Member, roster

LAYERS = ("cloud-layer", "edge-layer")

PYTHON_SETTINGS = {
    "APP_ENV": "development",
    "TESTING": "true",
    "DATABASE_URL": "postgresql://probe:probe@127.0.0.1:9/probe",
    "RABBITMQ_URL": "amqp://probe:probe@127.0.0.1:9",
    "REDIS_URL": "",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""Enough for settings classes to be built; port 9 answers nothing and nobody is asked."""


@dataclass(slots=True, kw_only=True)
class Fleet:
    """The services of one tree: those that listen, and why the others do not."""

    up: dict[str, Booted] = field(default_factory=dict)
    down: dict[str, str] = field(default_factory=dict)
    launches: dict[str, Launch] = field(default_factory=dict)

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


def _python_launch(tree: Path, member: Member, python: Path) -> Launch:
    launch = boot.python_launch(
        tree / member.folder,
        python,
        {**PYTHON_SETTINGS, **member.env},
        app=member.app,
        stubs=member.stubs,
    )
    return replace(launch, service=member.name)


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

    All start at the same time. A service that a tree does not have, or that does not build or
    boot, is in its fleet's `down` with the reason.
    """
    made = {label: Fleet() for label in trees}
    with ExitStack() as stack:
        starts: list[tuple[str, Started]] = []
        express: list[tuple[str, Path, Member]] = []
        for label, tree in trees.items():
            known = roster(DiskTree(tree)) if services else {}
            for name in services:
                member = known.get(name) or _usual(tree, name)
                if isinstance(member, str):
                    made[label].down[name] = member
                elif member.kind == FASTAPI:
                    launch = _python_launch(tree, member, python)
                    starts += _start(stack, made[label], label, launch, scratch)
                else:
                    express.append((label, tree, member))
        for label, launch in _express_launches(stack, made, express, cache, scratch):
            starts += _start(stack, made[label], label, launch, scratch)
        for label, start in starts:
            _wait(made[label], start)
        yield made


def _start(
    stack: ExitStack, fleet: Fleet, label: str, launch: Launch, scratch: Path
) -> list[tuple[str, Started]]:
    log = scratch / "logs" / f"{label}-{launch.service}.log"
    try:
        start = stack.enter_context(boot.started(launch, log))
    except OSError as error:
        fleet.down[launch.service] = f"{launch.argv[0]}: {error.strerror}"
        return []
    fleet.launches[launch.service] = launch
    return [(label, start)]


def _wait(fleet: Fleet, start: Started) -> None:
    outcome = boot.listening(start)
    if isinstance(outcome, NotBooted):
        fleet.down[outcome.service] = outcome.reason
    else:
        fleet.up[outcome.service] = outcome


def _express_launches(
    stack: ExitStack,
    made: Mapping[str, Fleet],
    express: Sequence[tuple[str, Path, Member]],
    cache: Path,
    scratch: Path,
) -> Iterator[tuple[str, Launch]]:
    """Build the Express services while PostgreSQL starts, then say how to start each."""
    if not express:
        return
    with ThreadPoolExecutor(max_workers=2) as builders:
        builds = [
            builders.submit(boot.build, tree / member.folder, cache) for _, tree, member in express
        ]
        server = _server(stack, scratch, cache)
        results = [build.exception() for build in builds]
    for (label, tree, member), failure in zip(express, results, strict=True):
        folder = tree / member.folder
        if isinstance(failure, CloseoutError):
            made[label].down[member.name] = failure.message
        elif failure is not None:
            raise failure
        elif isinstance(server, str):
            made[label].down[member.name] = server
        else:
            dsn = service_database.create(server, f"{label}_{member.name}", folder)
            launch = boot.node_launch(folder, {**_node_settings(dsn), **member.env})
            yield label, replace(launch, service=member.name)


def _server(stack: ExitStack, scratch: Path, cache: Path) -> postgres.Server | str:
    """Start PostgreSQL, or say why there is none."""
    try:
        return stack.enter_context(postgres.server(scratch, templates=cache))
    except CloseoutError as error:
        return error.message


def _node_settings(dsn: str) -> dict[str, str]:
    return {
        "NODE_ENV": "development",
        "APP_ENV": "development",
        "DATABASE_URL": dsn,
        "JWT_SECRET": secrets.token_hex(32),
        "JWT_REFRESH_SECRET": secrets.token_hex(32),
        "DEVICE_FACTORY_SECRET": secrets.token_hex(32),
    }


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
