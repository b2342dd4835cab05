"""`certs.dev`, `certs.check`, `certs.renew`, `certs.rotate` and `certs.cluster`."""

from __future__ import annotations

from closeout.model import Command, Option, later

_TASKS = f"{__package__}.certificates.tasks"
_ROOT = Option(name="root", help="a monorepo; without it the project's own edge-mqtt-broker/certs/")

COMMANDS = (
    Command(
        name="certs.dev",
        told="Make a development CA, server and client certificates. Example: invoke certs.dev.",
        options=(
            _ROOT,
            Option(
                name="names",
                help="what clients dial, comma-separated; "
                "without it compose, localhost and the cluster",
            ),
            Option(name="fleet", help="a file with one device a line; run it again to take it up"),
            Option(name="force", help="replace authority, keys and certificates", default=False),
            Option(name="dry-run", help="print what would be written", default=False),
        ),
        run=later(_TASKS, "dev"),
        on_monorepo=False,
    ),
    Command(
        name="certs.check",
        told="Say what is about to expire. Example: invoke certs.check.",
        options=(_ROOT, Option(name="days", help="what has fewer days left is due", default=30)),
        run=later(_TASKS, "check"),
        on_monorepo=False,
    ),
    Command(
        name="certs.renew",
        told="Sign again what is about to expire. Example: invoke certs.renew.",
        options=(_ROOT,),
        run=later(_TASKS, "renew"),
        on_monorepo=False,
    ),
    Command(
        name="certs.rotate",
        told=(
            "Replace the authority, one step at a time. Example: invoke certs.rotate --step trust."
        ),
        options=(Option(name="step", help="trust, then sign, then retire", default=None), _ROOT),
        run=later(_TASKS, "rotate"),
        on_monorepo=False,
    ),
    Command(
        name="certs.cluster",
        told=(
            "Write the broker's manifests for a cluster. "
            "Example: invoke certs.cluster --out k8s/mqtt."
        ),
        options=(
            Option(name="out", help="the folder that they go to", default=None),
            Option(name="root", help="a monorepo whose access list they carry"),
            Option(name="namespace", help="where the broker will run", default="farmiq-edge"),
        ),
        run=later(_TASKS, "cluster"),
        on_monorepo=False,
    ),
)
