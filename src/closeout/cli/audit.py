"""`audit.all`."""

from __future__ import annotations

from invoke import Collection, Context, task

from closeout import closing
from closeout.cli.door import ROOT_HELP, on_monorepo


@task(name="all", help=ROOT_HELP)
def audit_all(context: Context, root: str = "") -> None:
    """Rule on every criterion of the tree as it is. Example: invoke audit.all --root ../farmiq."""
    on_monorepo(context, root, closing.audit)


COLLECTION = Collection("audit", audit_all)
