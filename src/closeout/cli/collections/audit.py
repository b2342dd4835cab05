"""`audit.all`."""

from __future__ import annotations

from invoke import Collection, Context

from closeout.cli.commands import audit
from closeout.cli.invoke_task import ROOT_HELP, command, on_monorepo

_HELP = {
    **ROOT_HELP,
    "claims": "a completion report, or the order with its boxes ticked, to hold against it",
    "quick": "leave out what has to run: suites, data pipeline, services",
}


@command(name="all", help=_HELP)
def audit_all(context: Context, root: str = "", claims: str = "", quick: bool = False) -> None:  # noqa: FBT001, FBT002 - a command-line flag
    """Judge every criterion, change nothing. Example: invoke audit.all --root X --claims FILE."""
    act = audit.quick if quick else audit.full
    on_monorepo(context, root, lambda space: act(space, claims))


COLLECTION = Collection("audit", audit_all)
