"""A scanner and strict clients in front of the production broker."""

from __future__ import annotations

from collections.abc import Iterable

from closeout.gaps.mqtt_tls.probing import clients
from closeout.model import Gate, GateContext, Means, Row


def _scan(context: GateContext) -> Iterable[Row]:
    return clients.run_gate(context.root, context.scratch, context.program("sslyze"))


GATES = (
    Gate(
        name="mqtt",
        session="mqtt_tls",
        means=Means.LIVE,
        criteria=(clients.CRITERION,),
        run=_scan,
        requirements="requirements/sslyze.txt",
    ),
)
