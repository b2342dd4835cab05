"""Say how a service of a tree is started here: by its launcher, with the packages that it pins."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.harness import boot, node, node_service, service_database
from closeout.harness.boot import Launch
from closeout.harness.service_discovery import Member
from closeout.harness.service_environments import Interpreter

PYTHON_SETTINGS = {
    "APP_ENV": "development",
    "TESTING": "true",
    "DATABASE_URL": "postgresql://probe:probe@127.0.0.1:9/probe",
    "RABBITMQ_URL": "amqp://probe:probe@127.0.0.1:9",
    "REDIS_URL": "",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""Enough for settings classes to be built; port 9 answers nothing and nobody is asked."""


def of_fastapi(
    tree: Path,
    member: Member,
    interpreter: Interpreter,
    settings: Mapping[str, str] = PYTHON_SETTINGS,
) -> Launch:
    """Return the start of a FastAPI service with `settings`, and what closeout.toml gives it."""
    launch = boot.python_launch(
        tree / member.folder,
        interpreter.python,
        {**settings, **member.env},
        app=member.app,
        stubs=member.stubs,
    )
    return replace(launch, service=member.name, note=interpreter.told)


def of_express(tree: Path, member: Member, settings: Mapping[str, str], cache: Path) -> Launch:
    """Install what an Express service names, into its private copy, and return its start.

    Raises CloseoutError where that cannot be done.
    """
    folder = tree / member.folder
    entry = node_service.entry(folder)
    if entry is None:
        raise CloseoutError(
            "node-entry-missing",
            f"{member.name} has no file that its image or its scripts start.",
            hint="name it by `main` in package.json.",
        )
    installed = node.install_needed(folder, entry.packages, cache)
    link = folder / "node_modules"
    if not link.exists():
        link.symlink_to(installed.modules, target_is_directory=True)
    launch = boot.node_launch(
        folder,
        {**settings, **member.env},
        entry=str(entry.file),
        runner=node.install(node.TYPESCRIPT, cache) if entry.is_typescript else None,
    )
    return replace(launch, service=member.name, note=installed.told, lock=str(installed.lock or ""))


def node_settings(dsn: str) -> dict[str, str]:
    """Return what most Node services need to start, their database at `dsn`."""
    return {
        "NODE_ENV": "development",
        "APP_ENV": "development",
        "DATABASE_URL": dsn,
        "JWT_SECRET": secrets.token_hex(32),
        "JWT_REFRESH_SECRET": secrets.token_hex(32),
        "DEVICE_FACTORY_SECRET": secrets.token_hex(32),
        "CLOSEOUT_ACCOUNTS": service_database.accounts(),
    }
