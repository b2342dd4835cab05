"""Put strict clients and a scanner in front of the production broker: the mTLS gate.

The scanner is a program of an environment of its own; its licence is not ours, and nothing of it
is imported. There is no Go client here: its one difference, that a common name is no host name,
is emulated by OpenSSL with that fallback switched off.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from closeout import process
from closeout.fs import json_reader
from closeout.gaps.mqtt_tls.mosquitto.configuration import TLS_PORT
from closeout.gaps.mqtt_tls.probing import credentials, mosquitto, mqtt
from closeout.gaps.mqtt_tls.probing.stage import SENDER, NotThereError, production_stage, tls
from closeout.model import Observation, ProbeContext
from closeout.process import pace

_HOSTS = ("localhost", "edge-mqtt-broker", "127.0.0.1")
_RELOAD = 20.0
"""Seconds until a changed certificate is served."""
_SCAN = 180.0
_NOT_FOUND = 127
_NODE = """
const tls = require('node:tls'), fs = require('node:fs'), net = require('node:net');
const [port, name, ca, cert, key] = process.argv.slice(1);
const named = net.isIP(name) ? {host: name} : {host: '127.0.0.1', servername: name};
const line = tls.connect({port: +port, ...named, ca: fs.readFileSync(ca),
  cert: fs.readFileSync(cert), key: fs.readFileSync(key), minVersion: 'TLSv1.2'});
line.setTimeout(10000, () => line.destroy(new Error('no answer')));
line.on('secureConnect', () => line.write(Buffer.from(
  '101400044d5154540402003c00086e6f646570726f62', 'hex')));
line.on('data', (got) => { console.log(got[3] === 0 ? 'accepted' : 'refused'); line.destroy(); });
line.on('error', (error) => { console.log(`refused: ${error.message}`); });
"""

Row = tuple[str, str, Observation]
CRITERION = "8.4"
"""What the scanner and the clients speak for."""


def run_gate(root: Path, scratch: Path, scanner: Path) -> list[Row]:
    """Return what the scanner and three clients say about the production broker of `root`."""
    asked = {
        "scanner-intermediate": "compliant with Mozilla's intermediate configuration",
        "python-client": "accepted under VERIFY_X509_STRICT by name, localhost and address",
        "go-like-client": "accepted without common names; a certificate with nothing else refused",
        "node-client": "accepted by tls.connect by name, localhost and address",
    }
    command = "mosquitto -c <production>"
    if mosquitto.binary() is None:
        return _rows(asked, passed=None, told="mosquitto is not installed", command=command)
    try:
        stage = production_stage(ProbeContext(root=root, scratch=scratch))
        with tls(stage) as broker:
            seen = list(_ask(broker, scanner, scratch))
    except (NotThereError, mosquitto.BrokerDownError) as error:
        return _rows(asked, passed=False, told=str(error), command=command)
    rows = []
    for name, passed, told in seen:
        rows += _rows(
            {name: asked[name]},
            passed=passed,
            told=told,
            command=f"mosquitto -c <{stage.origin}>",
        )
    return rows


def _rows(asked: dict[str, str], *, passed: bool | None, told: str, command: str) -> list[Row]:
    made = partial(Observation, passed=passed, observed=told, command=command)
    return [(f"mqtt-tls.{name}", CRITERION, made(expected=text)) for name, text in asked.items()]


def _ask(
    broker: mosquitto.Running, scanner: Path, scratch: Path
) -> Iterator[tuple[str, bool | None, str]]:
    yield ("scanner-intermediate", *_scanned(broker, scanner, scratch))
    answers = {name: mqtt.admission(broker, broker.pair(SENDER), name) for name in _HOSTS}
    yield "python-client", set(answers.values()) == {"accepted"}, mqtt.told(answers)
    yield ("node-client", *_node(broker))
    yield ("go-like-client", *_without_common_names(broker))


def _scanned(broker: mosquitto.Running, scanner: Path, scratch: Path) -> tuple[bool | None, str]:
    if not scanner.exists():
        return None, "sslyze is not installed; nox -s mqtt_tls makes its environment"
    certificate, key = broker.pair(SENDER)
    report = scratch / "sslyze.json"
    argv: list[str | Path] = [scanner, "--mozilla_config", "intermediate", "--sni", "localhost"]
    argv += ["--certinfo_ca_file", broker.ca, "--cert", certificate, "--key", key]
    argv += [f"--json_out={report}", f"127.0.0.1:{broker.ports[TLS_PORT]}"]
    ended = process.run(argv, deadline=_SCAN)
    try:
        (found,) = json_reader.loads(report.read_bytes())["server_scan_results"]
    except (OSError, ValueError, KeyError) as error:
        return None, f"sslyze left no report ({error}): {ended.err.strip()[-300:]}"
    if found["scan_status"] != "COMPLETED":
        return None, f"sslyze could not scan: {found['connectivity_status']}"
    curves = found["scan_result"]["elliptic_curves"]["result"]["supported_curves"]
    told = "curves " + ", ".join(sorted(curve["name"] for curve in curves))
    lines = [line.strip() for line in ended.out.splitlines()]
    complaints = [line for line in lines if line.startswith("* ") and "should be" in line]
    compliant = ended.ok and any(line.endswith("OK - Compliant.") for line in lines)
    return compliant, "; ".join(["compliant" if compliant else "not compliant", told, *complaints])


def _node(broker: mosquitto.Running) -> tuple[bool | None, str]:
    answers = {}
    for name in _HOSTS:
        port = str(broker.ports[TLS_PORT])
        argv: list[str | Path] = ["node", "-e", _NODE, port, name, broker.ca, *broker.pair(SENDER)]
        ended = process.run(argv, deadline=30)
        if ended.code == _NOT_FOUND:
            return None, "node is not installed"
        answers[name] = ended.out.strip() or ended.err.strip()[-200:]
    return set(answers.values()) == {"accepted"}, mqtt.told(answers)


def _without_common_names(broker: mosquitto.Running) -> tuple[bool, str]:
    good = {name: _modern(broker, name) for name in _HOSTS}
    credentials.serve_common_name(broker, "localhost")
    broker.hang_up()
    wait = pace.Waiting(_RELOAD)
    answer = _modern(broker, "localhost")
    while answer == "accepted" and wait.lasts():
        time.sleep(0.05)
        answer = _modern(broker, "localhost")
    passed = set(good.values()) == {"accepted"} and "ostname mismatch" in answer
    return passed, f"{mqtt.told(good)}; with a common name alone: {answer} (emulated)"


def _modern(broker: mosquitto.Running, name: str) -> str:
    context = mqtt.tls_context(broker.ca, broker.pair(SENDER))
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return mqtt.connect(broker.ports[TLS_PORT], context, name)
