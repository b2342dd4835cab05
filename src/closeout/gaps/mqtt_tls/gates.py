"""A scanner and strict clients in front of the production broker."""

from __future__ import annotations

from closeout.gaps.mqtt_tls.probing import clients
from closeout.model import Gate, Means

GATES = (
    Gate(
        name="mqtt",
        session="mqtt_tls",
        means=Means.LIVE,
        criteria=(clients.CRITERION,),
        run=lambda asked: clients.run_gate(asked.root, asked.scratch, asked.program("sslyze")),
        requirements="requirements/sslyze.txt",
    ),
)
