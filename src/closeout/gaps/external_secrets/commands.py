"""`secrets.inventory` and `secrets.verify`."""

from __future__ import annotations

from closeout.model import Command, later

COMMANDS = (
    Command(
        name="secrets.inventory",
        told="List every secret variable of every service. Example: invoke secrets.inventory.",
        run=later(f"{__package__}.listing", "list_secrets"),
    ),
    Command(
        name="secrets.verify",
        told="Ask the cluster what it knows of the secrets. Example: invoke secrets.verify.",
        gate="cluster",
    ),
)
