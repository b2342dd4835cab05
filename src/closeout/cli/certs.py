"""`certs.dev`, `certs.check` and `certs.renew`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from invoke import Collection, Context, task

from closeout.cli.door import at_home
from closeout.errors import ExitCode

_HELP = {"root": "a monorepo; without it the project's own edge-mqtt-broker/certs/"}


@task(help={**_HELP, "force": "replace authority, keys and certificates"})
def dev(context: Context, root: str = "", force: bool = False) -> None:  # noqa: FBT001, FBT002 - a command-line flag
    """Make a development CA, server and client certificates. Example: invoke certs.dev."""
    from closeout import issuing  # noqa: PLC0415 - cryptography is slow to load

    _on_folder(context, root, issuing.make_anew if force else issuing.make)


@task(help=_HELP)
def check(context: Context, root: str = "") -> None:
    """Say what is about to expire. Example: invoke certs.check."""
    from closeout import issuing  # noqa: PLC0415 - cryptography is slow to load

    _on_folder(context, root, issuing.look)


@task(help=_HELP)
def renew(context: Context, root: str = "") -> None:
    """Sign again what is about to expire. Example: invoke certs.renew."""
    from closeout import issuing  # noqa: PLC0415 - cryptography is slow to load

    _on_folder(context, root, issuing.extend)


def _on_folder(context: Context, root: str, action: Callable[[Path], ExitCode]) -> None:
    from closeout import issuing  # noqa: PLC0415 - cryptography is slow to load

    at_home(context, lambda home: action(issuing.folder_of(home, root)))


COLLECTION = Collection("certs", dev, check, renew)
