"""MQTT: the brokers speak plaintext and let anybody in.

Problem. The broker listens on 1883 without TLS or a login. The order's recipe publishes a TLS port
that nothing listens on, puts the authority's private key into the container and makes a
certificate that one host name accepts. The production configuration beside it does not start.

Before::

    ports:
      - "5100:1883"
    volumes:
      - ./edge-mqtt-broker/mosquitto.conf:/mosquitto/config/mosquitto.conf:ro

After::

    ports:
      - "127.0.0.1:5100:1883"
      - "5101:8883"
    volumes:
      - ./edge-mqtt-broker/mosquitto.conf:/mosquitto/config/mosquitto.conf:ro
      - ./edge-mqtt-broker/certs/broker:/mosquitto/config/certs:ro
      - ./edge-mqtt-broker/aclfile:/mosquitto/config/aclfile:ro

and at the configuration's end::

    include_dir /mosquitto/config/certs

The folder is committed empty: a fresh clone serves plaintext to its own machine as before. `invoke
certs.dev` makes the certificates and copies `tls-listener.conf` there, and from its next start the
broker serves 8883 too: TLS 1.2 or later, a client certificate from every client, its common name
as the user, topics by user. `certs/README.md` says so, and how to do it by hand. Every listener
keeps its settings; all who start the broker with that configuration get the mounts, or nothing of
that broker is written. `mosquitto.prod.conf` has no plaintext that others reach;
`docker-compose.mqtt-prod.yml` runs the broker on it. A configuration that nothing in the tree
starts gets a production one beside it. A broker in Kubernetes gets TLS in place of plaintext, with
its secret and ports.

Left alone: a TLS listener that works, however it logs clients in; a production one with the
certificates of `certs/` offers the suites of Mozilla's intermediate profile. Not mended, but
reported: a TLS listener that is there and broken, a README that does not say how certificates are
made, and a host port for TLS that another service has. Clients have to be moved to 8883 by their
owners: `certs/README.md` lists them, and a cluster's broker is left as it is while a workload
dials its plaintext port.
"""

from __future__ import annotations

from closeout.gaps.mqtt_tls.detect import survey
from closeout.gaps.mqtt_tls.deviations import DEVIATIONS
from closeout.gaps.mqtt_tls.fix import fix
from closeout.gaps.mqtt_tls.rules import RULES, SUBJECTS
from closeout.model import Gap, later

GAP = Gap(
    slug="mqtt-tls",
    issue=8,
    title="MQTT brokers without TLS",
    priority="P0",
    criteria=("8.1", "8.2", "8.3", "8.4"),
    fix=fix,
    subjects=SUBJECTS,
    rules=RULES,
    survey=survey,
    probes=later(f"{__name__}.probes", "PROBES"),
    gates=later(f"{__name__}.gates", "GATES"),
    commands=later(f"{__name__}.commands", "COMMANDS"),
    graded="MQTT over TLS",
    noted=frozenset({"mqtt-tls.scanner-intermediate"}),
    deviations=DEVIATIONS,
    guide=__doc__,
)
