"""`dbt.compile`."""

from __future__ import annotations

from closeout.model import Command

COMMANDS = (
    Command(
        name="dbt.compile",
        told="Compile the models, then check what compiling cannot. Example: invoke dbt.compile.",
        gate="dbt_compile",
    ),
)
