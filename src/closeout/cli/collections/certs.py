"""`certs.dev`, `certs.check`, `certs.renew`, `certs.rotate` and `certs.cluster`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from invoke import Collection, Context

from closeout.cli.invoke_task import at_home, command
from closeout.errors import ExitCode

_HELP = {"root": "a monorepo; without it the project's own edge-mqtt-broker/certs/"}
_NAMES = "what clients dial, comma-separated; without it compose, localhost and the cluster"


@command(
    help={
        **_HELP,
        "force": "replace authority, keys and certificates",
        "names": _NAMES,
        "fleet": "a file with one device a line; run it again to take it up",
        "dry-run": "print what would be written",
    }
)
def dev(  # noqa: PLR0913, PLR0917 - each is a command-line option
    context: Context,
    root: str = "",
    names: str = "",
    fleet: str = "",
    force: bool = False,  # noqa: FBT001, FBT002 - a command-line flag
    dry_run: bool = False,  # noqa: FBT001, FBT002 - a command-line flag
) -> None:
    """Make a development CA, server and client certificates. Example: invoke certs.dev."""
    from closeout.cli.commands import certs  # noqa: PLC0415 - cryptography is slow to load

    wanted = certs.names_from(names)
    if fleet and dry_run:
        _on_folder(context, root, partial(certs.rehearse_fleet, source=Path(fleet)))
    elif fleet:
        _on_folder(context, root, partial(certs.make_fleet, source=Path(fleet), names=wanted))
    else:
        acts = (certs.make, certs.make_anew, certs.rehearse, certs.rehearse_anew)
        _on_folder(context, root, partial(acts[2 * dry_run + force], names=wanted))


@command(
    help={
        **_HELP,
        "days": "what has fewer days left is due",
    }
)
def check(context: Context, root: str = "", days: int = 30) -> None:
    """Say what is about to expire. Example: invoke certs.check."""
    from closeout.cli.commands import certs  # noqa: PLC0415 - cryptography is slow to load

    _on_folder(context, root, partial(certs.look, days=days))


@command(help=_HELP)
def renew(context: Context, root: str = "") -> None:
    """Sign again what is about to expire. Example: invoke certs.renew."""
    from closeout.cli.commands import certs  # noqa: PLC0415 - cryptography is slow to load

    _on_folder(context, root, certs.extend)


@command(help={**_HELP, "step": "trust, then sign, then retire"})
def rotate(context: Context, step: str, root: str = "") -> None:
    """Replace the authority, one step at a time. Example: invoke certs.rotate --step trust."""
    from closeout.cli.commands import certs  # noqa: PLC0415 - cryptography is slow to load

    _on_folder(context, root, partial(certs.turn, step=step))


@command(
    help={
        "out": "the folder that they go to",
        "root": "a monorepo whose access list they carry",
        "namespace": "where the broker will run",
    }
)
def cluster(context: Context, out: str, root: str = "", namespace: str = "farmiq-edge") -> None:
    """Write the broker's manifests for a cluster. Example: invoke certs.cluster --out k8s/mqtt."""
    from closeout.cli.commands import certs  # noqa: PLC0415 - cryptography is slow to load

    at_home(context, lambda home: certs.manifests(Path(root or home), Path(out), namespace))


def _on_folder(context: Context, root: str, action: Callable[[Path], ExitCode]) -> None:
    from closeout.cli.commands import certs  # noqa: PLC0415 - cryptography is slow to load

    at_home(context, lambda home: action(certs.folder_of(home, root)))


COLLECTION = Collection("certs", dev, check, renew, rotate, cluster)
