"""The real mosquitto, before and after the fix, and on its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from closeout import process
from closeout.fs.tree import DiskTree, Overlay
from closeout.gaps.mqtt_tls import GAP
from closeout.gaps.mqtt_tls.access.listing import access_list
from closeout.gaps.mqtt_tls.mosquitto import render
from closeout.gaps.mqtt_tls.mosquitto.configuration import parse
from closeout.gaps.mqtt_tls.probing import mosquitto, mqtt
from closeout.gaps.mqtt_tls.probing.clients import run_gate
from closeout.gaps.mqtt_tls.probing.stage import production_stage
from closeout.model import Probe, ProbeContext
from closeout.resources import BUNDLE

pytestmark = [pytest.mark.live, pytest.mark.needs("mosquitto")]

EDGE = Path("edge-layer") / "edge-mqtt-broker"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what the reference monorepo has of MQTT."""
    root = tmp_path_factory.mktemp("before")
    for part in ("edge-layer", "k8s", "infra"):
        shutil.copytree(BUNDLE / "reference" / "farmiq" / part, root / part)
    return root


@pytest.fixture(scope="module")
def after(before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same, fixed."""
    root = tmp_path_factory.mktemp("after") / "tree"
    shutil.copytree(before, root)
    stage = Overlay(DiskTree(root))
    for changeset in GAP.fix(stage):
        for edit in changeset.edits:
            stage.lay(edit)
    for edit in stage.edits:
        place = root / edit.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(edit.after)
    return root


@pytest.mark.parametrize("probe", GAP.probes(), ids=lambda probe: probe.id)
def test_probe_is_red_before_and_green_after(
    probe: Probe, before: Path, after: Path, tmp_path: Path
) -> None:
    """Every probe proves something: it fails on the plaintext broker, not on the fixed one."""
    answers = [probe.run(ProbeContext(root=root, scratch=tmp_path)) for root in (before, after)]
    assert [answer.passed for answer in answers] == [False, True], answers
    assert "closeout-mqtt-" not in answers[0].observed


def test_probe_is_unproven_when_the_broker_is_absent(
    after: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No broker, no answer: never green."""
    monkeypatch.setattr(mosquitto, "binary", lambda: None)
    answer = GAP.probes()[0].run(ProbeContext(root=after, scratch=tmp_path))
    assert answer.passed is None
    assert "not installed" in answer.observed


def test_probe_is_red_when_the_whole_certificate_folder_is_mounted(
    after: Path, tmp_path: Path
) -> None:
    """The order's mount brings the authority's key into the container."""
    root = tmp_path / "tree"
    shutil.copytree(after, root)
    compose = root / "edge-layer" / "docker-compose.yml"
    compose.write_text(compose.read_text().replace("/certs/broker:", "/certs:"))
    (probe,) = (item for item in GAP.probes() if item.id == "mqtt-tls.mounted-certificate")
    answer = probe.run(ProbeContext(root=root, scratch=tmp_path))
    assert answer.passed is False
    assert "authority's key is in the container" in answer.observed


def test_cluster_configuration_serves_a_client_when_it_is_fixed(after: Path) -> None:
    """The configuration map's text starts a broker that accepts a good client alone."""
    document = yaml.safe_load((after / "k8s" / "edge-mqtt-broker" / "configmap.yaml").read_text())
    container = mosquitto.Container(
        conf=document["data"]["mosquitto.conf"].encode(),
        files={"/mosquitto/config/aclfile": document["data"]["aclfile"].encode()},
        certificates={"/mosquitto/certs": "broker"},
        clients=("probe-device", "edge-ingress-gateway"),
    )
    with mosquitto.serving(container) as broker:
        good = mqtt.tls_context(broker.ca, broker.pair("probe-device"))
        bare = mqtt.tls_context(broker.ca, None)
        assert mqtt.connect(broker.ports[8883], good) == "accepted"
        assert mqtt.connect(broker.ports[8883], bare).startswith("refused")


@pytest.mark.needs("openssl")
def test_instructions_make_working_certificates_when_followed(after: Path, tmp_path: Path) -> None:
    """The README's openssl commands, run as they stand, pass a strict verification."""
    readme = (after / EDGE / "certs" / "README.md").read_text()
    section = readme.split("### With openssl alone")[1]
    commands = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)[0]
    (folder := tmp_path / EDGE / "certs").mkdir(parents=True)
    made = process.run(["bash", "-e"], cwd=tmp_path, stdin=commands.encode())
    assert made.ok, made.err
    for leaf, purpose in (("broker/server", "sslserver"), ("clients/probe-device", "sslclient")):
        argv = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile"]
        judged = process.run([*argv, "broker/ca.crt", f"{leaf}.crt"], cwd=folder)
        assert judged.ok, judged.err
    argv = ["openssl", "verify", "-x509_strict", "-CAfile", "broker/ca.crt"]
    argv += ["-verify_hostname", "localhost", "broker/server.crt"]
    named = process.run(argv, cwd=folder)
    assert named.ok, named.err
    assert [path.name for path in tmp_path.iterdir()] == [EDGE.parts[0]]
    assert (folder / "authority" / "ca.key").stat().st_mode & 0o077 == 0


@pytest.mark.needs("openssl")
def test_production_refuses_when_a_client_offers_old_tls_alone() -> None:
    """TLS 1.0 and 1.1 end in an alert; 1.2 and 1.3 go through with an ECDSA suite."""
    container = mosquitto.Container(
        conf=render.production_conf(render.COMPOSE, parse(b"")),
        files={render.ACL: access_list(None)},
        certificates={render.CERTS: "broker"},
        clients=("probe-device",),
    )
    with mosquitto.serving(container) as broker:
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{broker.ports[8883]}", "-cipher"]
        argv += ["ALL:@SECLEVEL=0", "-CAfile", str(broker.ca)]
        certificate, key = broker.pair("probe-device")
        argv += ["-cert", str(certificate), "-key", str(key)]
        codes = {
            version: process.run([*argv, version], deadline=10).code
            for version in ("-tls1", "-tls1_1", "-tls1_2", "-tls1_3")
        }
    assert codes == {"-tls1": 1, "-tls1_1": 1, "-tls1_2": 0, "-tls1_3": 0}


def test_serving_says_why_when_the_broker_ends() -> None:
    """The broker's own words reach the evidence."""
    container = mosquitto.Container(
        conf=b"listener 1883\nno_such_setting 1\n", files={}, certificates={}, clients=("a",)
    )
    with (
        pytest.raises(mosquitto.BrokerDownError, match="no_such_setting"),
        mosquitto.serving(container),
    ):
        pass


@pytest.mark.needs("node")
def test_gate_is_red_before_and_green_after_for_strict_clients(
    before: Path, after: Path, tmp_path: Path
) -> None:
    """Python, Node and a client without common names agree; without a scanner, it is unproven."""
    absent = tmp_path / "sslyze"
    rows = [run_gate(root, tmp_path, absent) for root in (before, after)]
    assert [{seen.passed for _, _, seen in rows[0]}] == [{False}]
    answers = {probe: seen.passed for probe, _, seen in rows[1]}
    assert answers == {
        "mqtt-tls.scanner-intermediate": None,
        "mqtt-tls.python-client": True,
        "mqtt-tls.node-client": True,
        "mqtt-tls.go-like-client": True,
    }, rows[1]


def test_gate_is_unproven_when_the_broker_is_absent(
    after: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No broker, no answer, whatever scanner there is."""
    monkeypatch.setattr(mosquitto, "binary", lambda: None)
    rows = run_gate(after, tmp_path, tmp_path / "sslyze")
    assert [seen.passed for _, _, seen in rows] == [None] * 4


def test_stage_brings_what_the_production_compose_file_adds(after: Path, tmp_path: Path) -> None:
    """The curves reach the broker as compose would bring them: by a mount and a variable."""
    stage = production_stage(ProbeContext(root=after, scratch=tmp_path))
    place = stage.container.environment["OPENSSL_CONF"]
    assert stage.container.files[place] == render.curves()
