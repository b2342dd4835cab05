"""A broker whose map is mounted key by key, with others in its pod that dial it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from closeout.engine import rules
from closeout.formats.manifests import validate_together
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.mqtt_tls import GAP
from closeout.gaps.mqtt_tls.mosquitto.configuration import parse, production_problems
from closeout.model import Unresolved

CONFIG = """apiVersion: v1
kind: ConfigMap
metadata:
  name: bus-config
  namespace: farm
data:
  mosquitto.conf: |
    # Barn bus
    listener 1883
    allow_anonymous true
    max_packet_size 1048576
    log_dest stdout
    log_type all
  aclfile: |
    topic readwrite barn/%c/#
"""
WORKLOAD = """apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: bus
  namespace: farm
spec:
  serviceName: bus
  selector:
    matchLabels: {app: bus}
  template:
    metadata:
      labels: {app: bus}
    spec:
      containers:
        - name: mosquitto
          image: eclipse-mosquitto:2
          ports:
            - containerPort: 1883
              name: mqtt
          livenessProbe:
            tcpSocket: {port: 1883}
          readinessProbe:
            tcpSocket:
              port: mqtt
          volumeMounts:
            - name: config
              mountPath: /mosquitto/config/mosquitto.conf
              subPath: mosquitto.conf
            - name: lists
              mountPath: /mosquitto/lists/aclfile
              subPath: aclfile
        - name: exporter
          image: bus-exporter:1
          env:
            - name: BROKER
              value: tcp://localhost:1883
      volumes:
        - name: config
          configMap: {name: bus-config}
        - name: lists
          configMap: {name: bus-config}
        # - name: passwords
"""
SERVICE = """apiVersion: v1
kind: Service
metadata:
  name: bus
  namespace: farm
spec:
  selector: {app: bus}
  ports:
    - port: 1883
      targetPort: mqtt
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: bus
  namespace: farm
spec:
  podSelector:
    matchLabels: {app: bus}
  ingress:
    - ports:
        - port: 1883
"""
FILES = {"config.yaml": CONFIG, "bus.yaml": WORKLOAD, "service.yaml": SERVICE}


def fixed(files: dict[str, str], **more: str) -> tuple[Overlay, tuple[Unresolved, ...]]:
    """Return the fixed tree, and what was left alone."""
    held = {f"k8s/bus/{name}": text for name, text in files.items()}
    held |= {name.replace("__", "/"): text for name, text in more.items()}
    stage = Overlay(MemoryTree({name: text.encode() for name, text in held.items()}))
    left: list[Unresolved] = []
    for changeset in GAP.fix(stage):
        left += changeset.unresolved
        for edit in changeset.edits:
            stage.lay(edit)
    return stage, tuple(left)


def read(stage: Overlay, name: str) -> list[Any]:
    """Return the documents of a manifest."""
    return list(yaml.safe_load_all(stage.read(PurePosixPath(f"k8s/bus/{name}")) or b""))


def test_derive_closes_a_broker_whose_map_is_mounted_key_by_key() -> None:
    """Listener, secret, a mount for each new key, container, probe, service and policy fit."""
    stage, left = fixed(FILES)
    (config,), (workload,) = read(stage, "config.yaml"), read(stage, "bus.yaml")
    service, policy = read(stage, "service.yaml")
    pod = workload["spec"]["template"]["spec"]
    broker, exporter = pod["containers"]
    assert left == ()
    assert rules.findings(rules.checks(GAP, stage)) == ()
    assert GAP.fix(stage) == ()
    conf = parse(config["data"]["mosquitto.conf"].encode())
    assert production_problems(conf) == ()
    assert conf.listeners[-1].value("acl_file") == "/mosquitto/lists/aclfile"
    assert config["data"]["aclfile"].endswith("pattern readwrite barn/%u/#\n")
    mounts = {item["mountPath"]: item.get("subPath") for item in broker["volumeMounts"]}
    assert mounts == {
        "/mosquitto/config/mosquitto.conf": "mosquitto.conf",
        "/mosquitto/lists/aclfile": "aclfile",
        "/mosquitto/config/openssl.cnf": "openssl.cnf",
        "/mosquitto/certs": None,
    }
    assert broker["ports"] == [{"containerPort": 8883, "name": "mqtt"}]
    assert broker["livenessProbe"] == {"tcpSocket": {"port": 8883}}
    assert broker["readinessProbe"] == {"tcpSocket": {"port": "mqtt"}}
    assert exporter == yaml.safe_load(WORKLOAD)["spec"]["template"]["spec"]["containers"][1]
    assert service["spec"]["ports"] == [{"port": 8883, "targetPort": "mqtt"}]
    assert policy["spec"]["ingress"] == [{"ports": [{"port": 8883}]}]
    paths = [path for path in stage.paths() if path.suffix == ".yaml"]
    assert validate_together({path: stage.read(path) or b"" for path in paths}) == ()


def test_derive_keeps_loopback_for_who_dials_it_in_the_pod_and_for_nobody_else() -> None:
    """An exporter reads the broker's numbers there; without one there is no plaintext at all."""
    (config,) = read(fixed(FILES)[0], "config.yaml")
    plain, secure = parse(config["data"]["mosquitto.conf"].encode()).listeners
    assert (plain.port, plain.host, plain.value("allow_anonymous")) == (1883, "127.0.0.1", "true")
    assert (secure.port, secure.value("allow_anonymous")) == (8883, "false")
    alone = FILES | {"bus.yaml": WORKLOAD.replace("tcp://localhost:1883", "tcp://elsewhere:1883")}
    (config,) = read(fixed(alone)[0], "config.yaml")
    assert "1883" not in config["data"]["mosquitto.conf"]


def test_derive_keeps_limits_and_logs_and_adds_none_that_clients_have_not_met() -> None:
    """A message that was allowed still is."""
    (config,) = read(fixed(FILES)[0], "config.yaml")
    conf = parse(config["data"]["mosquitto.conf"].encode())
    assert (conf.value("max_packet_size"), conf.value("log_type")) == ("1048576", "all")
    assert not {"max_keepalive", "max_queued_messages"} & {item.name for item in conf.directives}


CALLERS = {
    "a URL": "          env: [{name: BUS, value: 'mqtt://bus.farm.svc:1883'}]\n",
    "host and port": "          env:\n            - name: MQTT_HOST\n              value: bus\n"
    '            - {name: MQTT_PORT, value: "1883"}\n',
}


@pytest.mark.parametrize("told", CALLERS.values(), ids=CALLERS)
def test_derive_refuses_when_a_workload_would_lose_its_port(told: str) -> None:
    """Who dials plaintext in the cluster moves first; nothing of the broker is written before."""
    caller = f"spec:\n  template:\n    spec:\n      containers:\n        - name: ledger\n{told}"
    stage, left = fixed(FILES, **{"k8s/ledger.yaml": caller})
    assert [item.detail for item in left] == [
        "k8s/ledger.yaml dials its port 1883, which it would lose"
    ]
    assert stage.edits == ()


def test_derive_asks_nobody_who_dials_another_broker() -> None:
    """A near miss: another host, or the same word with another port."""
    other = CALLERS["a URL"].replace("bus.farm.svc", "silo")
    caller = f"spec:\n  template:\n    spec:\n      containers:\n        - name: a\n{other}"
    _, left = fixed(FILES, **{"k8s/ledger.yaml": caller})
    assert left == ()


def test_derive_refuses_a_map_of_which_the_volume_names_the_keys() -> None:
    """A key that is added would not appear."""
    whole = WORKLOAD.replace("              subPath: mosquitto.conf\n", "").replace(
        "mountPath: /mosquitto/config/mosquitto.conf", "mountPath: /mosquitto/config"
    )
    named = "configMap: {name: bus-config, items: [{key: mosquitto.conf, path: mosquitto.conf}]}"
    _, left = fixed(FILES | {"bus.yaml": whole.replace("configMap: {name: bus-config}", named)})
    assert ["not exactly one workload" in item.detail for item in left] == [True]


LISTED = (
    CONFIG
    + """
    user keeper
    topic readwrite #
    user barn-scale
    topic write barn/scale
"""
)
SCALE = """apiVersion: apps/v1
kind: Deployment
metadata:
  labels: {app: scale}
  name: barn-scale
spec:
  template: {spec: {containers: [{name: keeper, image: scale:1}]}}
"""
STARTED = """services:
  barn-scale:
    image: scale:1
"""


def certified(**more: str) -> list[str]:
    """Return whom the cluster's clients have certificates for."""
    stage, left = fixed(FILES | {"config.yaml": LISTED}, **more)
    assert left == ()
    kept = yaml.safe_load((stage.read("k8s/bus/config.yaml") or b"").decode())["data"]["aclfile"]
    assert "user keeper" in kept
    made = read(stage, "certificate.yaml")
    clients = [top for top in made if "client" in top["metadata"]["name"]]
    return [top["spec"]["commonName"] for top in clients]


@pytest.mark.parametrize(
    "more",
    [
        {"k8s__scale.yaml": SCALE},
        {"docker-compose.yml": STARTED},
        {"helm__scale__Chart.yaml": "apiVersion: v2\nname: barn-scale\nversion: 1.0.0\n"},
        {
            "field__barn-scale__requirements.txt": "paho-mqtt\n",
            "field__barn-scale__main.py": "import paho.mqtt.client as mqtt\nc = mqtt.Client()\n",
        },
    ],
    ids=["deployed", "composed", "chart", "device"],
)
def test_certificates_are_made_for_programs_of_the_tree(more: dict[str, str]) -> None:
    """A user that nothing starts keeps its line in the list, and gets no key to everything."""
    assert certified(**more) == ["barn-scale"]


def test_certificates_are_made_for_nobody_whom_the_tree_does_not_have() -> None:
    """A container, a label or a folder of that name is no program that signs in."""
    container = SCALE.replace("name: barn-scale", "name: other")
    page = {"web__keeper__package.json": "{}", "k8s__scale.yaml": container}
    assert certified(**page) == []


SECURE = """    listener 8883
    cafile /mosquitto/certs/ca.crt
    certfile /mosquitto/certs/tls.crt
    keyfile /mosquitto/certs/tls.key
    require_certificate true
    use_identity_as_username true
    # Kept.
    allow_anonymous false
"""
OPEN = CONFIG.replace("    listener 1883\n    allow_anonymous true\n", SECURE).replace(
    "topic readwrite barn/%c/#", "pattern readwrite barn/%u/#"
)
CLOSED = {
    "bus.yaml": WORKLOAD.replace("1883", "8883"),
    "service.yaml": SERVICE.replace("1883", "8883"),
}


def test_derive_puts_the_list_of_a_map_in_force_where_it_is_mounted() -> None:
    """One line comes to a configuration that works; nothing else of the cluster changes."""
    files = CLOSED | {"config.yaml": OPEN}
    base = MemoryTree({f"k8s/bus/{name}": text.encode() for name, text in files.items()})
    messages = [item.message for item in rules.findings(rules.checks(GAP, base))]
    assert messages == ["its access list is not in force"]
    stage, left = fixed(files)
    named = "    use_identity_as_username true\n"
    after = OPEN.replace(named, f"{named}    acl_file /mosquitto/lists/aclfile\n")
    assert (stage.read(PurePosixPath("k8s/bus/config.yaml")) or b"").decode() == after
    assert [str(edit.path) for edit in stage.edits] == ["k8s/bus/config.yaml"]
    assert left == rules.findings(rules.checks(GAP, stage)) == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bus.yaml", CLOSED["bus.yaml"].replace("subPath: aclfile", "subPath: other")),
        ("config.yaml", OPEN.replace("pattern readwrite barn/%u/#", "topic readwrite barn/#")),
        ("config.yaml", OPEN.replace("# Kept.", "acl_file /mosquitto/lists/aclfile")),
    ],
    ids=["not-mounted", "for-nobody", "has-one"],
)
def test_derive_names_no_list_that_would_stop_or_shut_out(name: str, text: str) -> None:
    """A broker without the file does not start; a list without names lets nobody do anything."""
    files = CLOSED | {"config.yaml": OPEN, name: text}
    stage, left = fixed(files)
    assert (stage.edits, left) == ((), ())
    assert rules.findings(rules.checks(GAP, stage)) == ()


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment"])
def test_certificate_says_how_the_broker_comes_to_read_a_renewed_one(kind: str) -> None:
    """Nothing restarts it by itself: it would serve the old certificate beyond its end."""
    stage, _ = fixed(FILES | {"bus.yaml": WORKLOAD.replace("StatefulSet", kind)})
    text = (stage.read(PurePosixPath("k8s/bus/certificate.yaml")) or b"").decode()
    head = text[: text.index("apiVersion")]
    assert f"#   kubectl rollout restart {kind.lower()}/bus -n farm\n" in head
    assert "nothing here sends" in head
