"""MQTT without TLS: what is found, what is mended byte for byte, what is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from closeout.engine import rules
from closeout.formats.manifests import validate_together
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps.mqtt_tls import GAP, certificates
from closeout.gaps.mqtt_tls.access.listing import access_list
from closeout.gaps.mqtt_tls.mosquitto import render
from closeout.gaps.mqtt_tls.mosquitto.configuration import parse, production_problems, tls_problems
from closeout.model import Edit, Finding, Reason, Tree, Unresolved
from closeout.resources import BUNDLE

COMPOSE = PurePosixPath("edge-layer/docker-compose.yml")
CONF = PurePosixPath("edge-layer/edge-mqtt-broker/mosquitto.conf")
MOUNT = "      - ./edge-mqtt-broker/mosquitto.conf:/mosquitto/config/mosquitto.conf:ro\n"
SERVICE = (
    "services:\n  broker:\n    image: eclipse-mosquitto:2\n"
    '    ports:\n      - "5100:1883"\n    volumes:\n' + MOUNT
)
PLAIN = "listener 1883\nallow_anonymous true\n"
SOUND = (
    "listener 8883\ncafile /c/ca.crt\ncertfile /c/s.crt\nkeyfile /c/s.key\n"
    "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n"
)


def tree(compose: str = SERVICE, conf: str = PLAIN, **more: str) -> MemoryTree:
    """Return a tree with one broker."""
    files = {str(COMPOSE): compose, str(CONF): conf}
    files |= {name.replace("__", "/"): text for name, text in more.items()}
    return MemoryTree({name: text.encode() for name, text in files.items()})


def fixed(base: Tree) -> tuple[Overlay, tuple[Unresolved, ...]]:
    """Return the tree after one fix, and what was left alone."""
    stage = Overlay(base)
    left: list[Unresolved] = []
    for changeset in GAP.fix(base):
        left += changeset.unresolved
        for edit in changeset.edits:
            stage.lay(edit)
    return stage, tuple(left)


def findings(base: Tree) -> tuple[Finding, ...]:
    """Return every finding of the gap."""
    return tuple(finding for check in rules.checks(GAP, base) for finding in check.findings)


def text(base: Tree, path: PurePosixPath = COMPOSE) -> str:
    """Return a file's text."""
    return (base.read(path) or b"").decode()


@pytest.fixture(scope="module")
def reference() -> DiskTree:
    """Return the reference monorepo."""
    return DiskTree(BUNDLE / "reference" / "farmiq")


def test_detect_finds_named_places_and_siblings_when_nothing_is_done(reference: DiskTree) -> None:
    """Compose, both configurations and the README are named; cluster and infra are not."""
    found = findings(reference)
    named = {str(item.path) for item in found if item.named}
    others = {str(item.path) for item in found if not item.named}
    assert named == {
        str(COMPOSE),
        str(CONF),
        "edge-layer/edge-mqtt-broker/mosquitto.prod.conf",
        "edge-layer/edge-mqtt-broker/certs/README.md",
    }
    assert {"infra/mosquitto/mosquitto.conf", "k8s/edge-mqtt-broker/configmap.yaml"} <= others
    assert {item.criterion for item in found} == set(GAP.criteria)


def test_derive_closes_everything_when_run_once(reference: DiskTree) -> None:
    """After one fix nothing is found, everything was looked at, and a second fix is empty."""
    stage, left = fixed(reference)
    assert left == ()
    assert findings(stage) == ()
    assert all(check.examined for check in rules.checks(GAP, stage))
    assert GAP.fix(stage) == ()


def test_derive_tells_who_makes_certificates_where_nothing_reads_them(reference: DiskTree) -> None:
    """Near misses: the new folders, another broker's, and a guide of another folder."""
    makes = b"#!/bin/sh\nOUT=../edge-mqtt-broker/certs\nopenssl req -x509 -out $OUT/ca.crt\n"
    base = MemoryTree(
        {str(path): reference.read(path) or b"" for path in reference.paths()}
        | {
            "edge-layer/scripts/make-certs.sh": makes,
            "edge-layer/scripts/new-certs.sh": makes.replace(b"certs\n", b"certs/broker\n"),
            "edge-layer/scripts/other.ps1": makes.replace(b"mqtt-broker", b"web"),
            "k8s/edge-mqtt-broker/README.md": b"# Broker\n\nIt listens on 1883.\n",
            "k8s/README.md": b"Port 1883.\n",
        }
    )
    stage, left = fixed(base)
    assert [(str(item.path), item.line) for item in left] == [
        ("edge-layer/scripts/make-certs.sh", 2),
        ("k8s/edge-mqtt-broker/README.md", 3),
    ]
    assert findings(stage) == ()
    assert GAP.fix(stage) == ()


def test_derive_keeps_every_key_when_it_edits_the_compose_file(reference: DiskTree) -> None:
    """A parser sees all it saw before, plus two list items for each list and three changes."""
    before: Any = yaml.safe_load(text(reference))
    after: Any = yaml.safe_load(text(fixed(reference)[0]))
    was, now = (top["services"].pop("edge-mqtt-broker") for top in (before, after))
    assert before == after
    assert now.pop("ports") == ["127.0.0.1:5100:1883", "5101:8883"]
    assert now.pop("volumes") == [
        *was.pop("volumes"),
        "./edge-mqtt-broker/certs/broker:/mosquitto/config/certs:ro",
        "./edge-mqtt-broker/aclfile:/mosquitto/config/aclfile:ro",
    ]
    assert "$$SYS/broker/uptime" in now.pop("healthcheck")["test"][1]
    del was["ports"], was["healthcheck"]
    assert was == now


def test_derive_keeps_comments_and_the_missing_newline_when_it_edits(reference: DiskTree) -> None:
    """Only the lines that matter change."""
    stage, _ = fixed(reference)
    assert '"127.0.0.1:5100:1883"   # sensors and the gateway' in text(stage)
    assert not text(stage, CONF).endswith("\n")
    assert text(stage, CONF).startswith("# Edge MQTT broker: development.\n")


def test_derive_closes_the_cluster_when_the_manifests_are_plaintext(reference: DiskTree) -> None:
    """Configuration, secret, group and ports fit each other."""
    stage, _ = fixed(reference)
    folder = PurePosixPath("k8s/edge-mqtt-broker")
    config = yaml.safe_load(text(stage, folder / "configmap.yaml"))
    pod = yaml.safe_load(text(stage, folder / "deployment.yaml"))["spec"]["template"]["spec"]
    ports = yaml.safe_load(text(stage, folder / "service.yaml"))["spec"]["ports"]
    assert production_problems(parse(config["data"]["mosquitto.conf"].encode())) == ()
    assert "%u" in config["data"]["aclfile"]
    assert pod["volumes"][-1]["secret"]["secretName"] == "edge-mqtt-broker-tls"
    assert pod["securityContext"] == {"fsGroup": 1883}
    assert ports == [{"name": "mqtt", "port": 8883, "targetPort": 8883}]


@pytest.mark.parametrize(
    "conf",
    [
        SOUND,
        SOUND.replace("cafile /c/ca.crt", "capath /c"),
        "listener 8883\ncertfile /c/s.crt\nkeyfile /c/s.key\npassword_file /c/p\n",
        PLAIN.replace("1883", "1883 127.0.0.1") + SOUND.replace("allow_anonymous false\n", ""),
        "per_listener_settings true\n" + SOUND + "#allow_anonymous true\n# listener 1883\n",
    ],
)
def test_tls_problems_is_silent_when_the_listener_works(conf: str) -> None:
    """However clients log in, a listener that works is left alone."""
    assert tls_problems(parse(conf.encode())) == ()


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (PLAIN, "nothing listens"),
        ("per_listener_settings\n" + SOUND, "has no value"),
        (SOUND.replace("cafile /c/ca.crt\n", ""), "refuses every client"),
        (SOUND.replace("keyfile /c/s.key\n", ""), "no keyfile"),
        (SOUND + "tls_version tlsv1.1\n", "obsolete"),
        ("listener 8883\ncertfile /c\nkeyfile /k\nallow_anonymous true\n", "lets anonymous"),
        ("listener 8883\ncertfile /c\nkeyfile /k\nallow_anonymous false\n", "no way to log in"),
        ("per_listener_settings true\npassword_file /p\n" + SOUND, "opens another one on 1883"),
        ("#" + SOUND, "nothing listens"),
    ],
)
def test_tls_problems_speaks_when_clients_are_not_served(conf: str, message: str) -> None:
    """Each way of getting it wrong was measured on the broker."""
    assert message in " / ".join(item.message for item in tls_problems(parse(conf.encode())))


def test_detect_is_silent_when_a_team_fixed_it_another_way() -> None:
    """Other ports, paths and logins are fine as long as they fit each other."""
    conf = "listener 8883\ncertfile /tls/a.crt\nkeyfile /tls/a.key\npassword_file /tls/users\n"
    compose = SERVICE.replace('"5100:1883"', '"8883:8883"') + "      - ./tls:/tls:ro\n"
    readme = "Run openssl req … for ca.crt, then for server.crt."
    base = tree(
        compose,
        conf,
        **{
            "edge-layer__edge-mqtt-broker__certs__README.md": readme,
            "edge-layer__edge-mqtt-broker__mosquitto.prod.conf": conf,
        },
    )
    assert findings(base) == ()
    assert GAP.fix(base) == ()


def test_detect_examines_nothing_when_there_is_no_broker() -> None:
    """A broker of another kind proves nothing; without any, no rule is asked."""
    other = MemoryTree({"docker-compose.yml": b"services:\n  a:\n    image: emqx # mqtt\n"})
    assert [check.examined for check in rules.checks(GAP, other)] == [(), (), (), ()]
    none = MemoryTree({"docker-compose.yml": b"services:\n  a:\n    image: redis # mqtt\n"})
    assert rules.checks(GAP, none) == ()
    assert GAP.fix(other) == GAP.fix(none) == ()


@pytest.mark.parametrize("kept", range(4))
def test_derive_closes_when_only_one_file_is_done(reference: DiskTree, kept: int) -> None:
    """A fix that was made by halves is completed, whichever half there is."""
    edits = [edit for made in GAP.fix(reference) for edit in made.edits if edit.before]
    half = Overlay(reference, [edits[kept]])
    stage, left = fixed(half)
    whole, _ = fixed(reference)
    assert left == ()
    assert [text(stage, edit.path) for edit in whole.edits] == [
        text(whole, edit.path) for edit in whole.edits
    ]


COMPOSES: Mapping[str, str] = {
    "crlf": SERVICE.replace("\n", "\r\n"),
    "no ports": SERVICE.replace('    ports:\n      - "5100:1883"\n', ""),
    "no ports, no keys after": SERVICE.replace('    ports:\n      - "5100:1883"\n', "") + "\n",
    "no volumes": SERVICE.replace("    volumes:\n" + MOUNT, "").replace(
        "image: eclipse-mosquitto:2", "build: ./edge-mqtt-broker"
    ),
    "flow": SERVICE.replace('\n      - "5100:1883"', ' ["5100:1883"]'),
    "bare": SERVICE.replace('"5100:1883"', "5100:1883"),
    "dashes at the key": SERVICE.replace("      - ", "    - "),
    "long": SERVICE.replace('- "5100:1883"', "- target: 1883\n        published: 5100").replace(
        MOUNT,
        "      - type: bind\n        source: ./edge-mqtt-broker/mosquitto.conf\n"
        "        target: /mosquitto/config/mosquitto.conf\n",
    ),
    "folder": SERVICE.replace(MOUNT, "      - ./edge-mqtt-broker:/mosquitto/config\n"),
    "no final newline": SERVICE.rstrip("\n"),
    "wide characters": "# Stallgeräte früh\n" + SERVICE,
}


@pytest.mark.parametrize("compose", COMPOSES.values(), ids=COMPOSES)
def test_derive_closes_when_the_compose_file_is_written_another_way(compose: str) -> None:
    """Every spelling of ports and mounts is mended once, in its own style."""
    recipe = "FROM eclipse-mosquitto:2\nCOPY mosquitto.conf /mosquitto/config/mosquitto.conf\n"
    base = tree(compose, **{"edge-layer__edge-mqtt-broker__Dockerfile": recipe})
    stage, left = fixed(base)
    assert left == ()
    assert findings(stage) == ()
    assert GAP.fix(stage) == ()
    yaml.safe_load(text(stage))
    assert ("\r\n" in compose) == ("\r\n" in text(stage))
    assert compose.endswith("\n") == text(stage).endswith("\n")


@pytest.mark.parametrize(
    "conf",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        "allow_anonymous true\nlistener 1883\n",
        "port 1883\n",
        PLAIN + "#listener 8883\n#certfile /x\nmax_connections 5\n",
        PLAIN + "# listener 8883\n# certfile /x\npersistence true",
    ],
)
def test_derive_closes_when_the_configuration_is_another(conf: str) -> None:
    """What was set for the plaintext listener stays its own, and no line of it is lost."""
    stage, left = fixed(tree(conf=conf))
    before, after = parse(conf.encode()), parse(text(stage, CONF).encode())
    assert left == ()
    assert findings(stage) == ()
    assert GAP.fix(stage) == ()
    assert after.separate
    in_force = [item.value for item in before.directives if item.name == "allow_anonymous"]
    assert [item.value("allow_anonymous") for item in after.listeners] == (in_force or [""])
    assert [item.port for item in after.listeners] == [item.port for item in before.listeners]
    assert set(conf.splitlines()) <= set(text(stage, CONF).splitlines())


def test_derive_writes_access_settings_below_each_listener_that_shared_them() -> None:
    """Once settings belong to a listener each, one after the last listener speaks for it alone."""
    conf = "listener 1883\nlistener 9001\nprotocol websockets\nallow_anonymous true\n"
    ports = '      - "9001:9001"\n    volumes'
    stage, left = fixed(tree(SERVICE.replace("    volumes", ports, 1), conf))
    after = parse(text(stage, CONF).encode())
    assert left == ()
    assert [item.value("allow_anonymous") for item in after.listeners] == ["true", "true"]
    assert '"127.0.0.1:9001:9001"' in text(stage)


def test_derive_keeps_settings_apart_when_they_are_apart() -> None:
    """A near miss: nothing is copied where each listener speaks for itself."""
    conf = "per_listener_settings true\nlistener 1883\nallow_anonymous true\nlistener 1884\n"
    stage, _ = fixed(tree(conf=conf))
    assert text(stage, CONF).startswith(conf)
    assert text(stage, CONF).count("allow_anonymous") == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "${ADDR:-127.0.0.1}", "${ADDR-localhost}"])
def test_derive_publishes_tls_no_further_than_plaintext(host: str) -> None:
    """A broker that this machine alone reaches stays one."""
    stage, left = fixed(tree(SERVICE.replace('"5100:', f'"{host}:5100:')))
    ports = yaml.safe_load(text(stage))["services"]["broker"]["ports"]
    assert left == ()
    assert ports == [f"{host}:5100:1883", f"{host}:5101:8883"]
    assert findings(stage) == ()


def test_derive_publishes_nothing_when_the_broker_was_internal() -> None:
    """Who reaches it over the compose network reaches TLS there."""
    internal = SERVICE.replace('    ports:\n      - "5100:1883"\n', "")
    stage, left = fixed(tree(internal))
    assert left == ()
    assert "ports" not in yaml.safe_load(text(stage))["services"]["broker"]
    assert findings(stage) == ()


def test_detect_finds_an_open_websockets_listener() -> None:
    """Plaintext is plaintext, whatever it carries; a websockets listener with TLS is none."""
    compose = SERVICE.replace('"5100:1883"', '"127.0.0.1:5100:1883"\n      - "9001:9001"')
    conf = PLAIN + "\nlistener 9001\nprotocol websockets\nallow_anonymous true\n"
    message = "broker: plaintext port 9001 is published on every address"
    assert message in [item.message for item in findings(tree(compose, conf))]
    secure = conf + "certfile /c/s.crt\nkeyfile /c/s.key\n"
    assert message not in [item.message for item in findings(tree(compose, secure))]


@pytest.mark.parametrize("refusing", ["docker-compose.yml", "docker-compose.dev.yml"])
def test_derive_writes_nothing_of_a_broker_when_one_file_of_it_is_refused(refusing: str) -> None:
    """A configuration without its mounts would stop the broker: it is one decision a broker."""
    files = {"docker-compose.yml": SERVICE, "docker-compose.dev.yml": SERVICE}
    files[refusing] = files[refusing].replace("5100:", "10.0.0.9:5100:")
    files = {f"edge-layer/{name}": content for name, content in files.items()}
    base = MemoryTree({name: body.encode() for name, body in {**files, str(CONF): PLAIN}.items()})
    stage, left = fixed(base)
    assert {str(item.path) for item in left} == set(files)
    assert {text(stage, path) for path in map(PurePosixPath, files)} == set(files.values())
    assert text(stage, CONF) == PLAIN
    assert {edit.path.name for edit in stage.edits} == {"mosquitto.prod.conf", "aclfile"}


def test_derive_gives_every_compose_file_of_a_broker_the_same() -> None:
    """Whoever starts the broker with that configuration mounts what it includes."""
    more = {"edge-layer__docker-compose.dev.yml": SERVICE}
    stage, left = fixed(tree(**more))
    assert left == ()
    assert text(stage) == text(stage, PurePosixPath("edge-layer/docker-compose.dev.yml"))


def test_derive_makes_the_folder_in_an_image_that_has_the_configuration() -> None:
    """The image is started by itself too, and a missing folder would stop it."""
    recipe = "FROM eclipse-mosquitto:2\nCOPY mosquitto.conf /mosquitto/config/mosquitto.conf\n"
    compose = SERVICE.replace("    volumes:\n" + MOUNT, "").replace(
        "image: eclipse-mosquitto:2", "build: {context: ./edge-mqtt-broker, dockerfile: Own.txt}"
    )
    path = PurePosixPath("edge-layer/edge-mqtt-broker/Own.txt")
    stage, left = fixed(tree(compose, **{str(path).replace("/", "__"): recipe}))
    assert left == ()
    made = "RUN mkdir -p /mosquitto/config/certs\n"
    assert text(stage, path) == recipe.replace("COPY", made + "COPY")
    remarked = f"# {made}{recipe}"
    stage, _ = fixed(tree(compose, **{str(path).replace("/", "__"): remarked}))
    assert text(stage, path) == remarked.replace("COPY", made + "COPY")
    refused = tree(
        compose, **{str(path).replace("/", "__"): recipe.replace("COPY", "USER a\nCOPY")}
    )
    assert text(fixed(refused)[0], CONF) == PLAIN


@pytest.mark.parametrize("topic", ["'$$SYS/health'", "'$SYS/health'"])
def test_derive_mends_the_health_check_of_an_image(topic: str) -> None:
    """A topic that is never published, and a dollar that nothing takes away in a Dockerfile."""
    head = "FROM eclipse-mosquitto:2\nCOPY mosquitto.conf /mosquitto/config/mosquitto.conf\n"
    recipe = f"{head}HEALTHCHECK CMD mosquitto_sub -t {topic} -C 1\n"
    compose = SERVICE.replace("image: eclipse-mosquitto:2", "build: ./edge-mqtt-broker")
    path = PurePosixPath("edge-layer/edge-mqtt-broker/Dockerfile")
    base = tree(compose, **{str(path).replace("/", "__"): recipe})
    assert path in [item.path for item in findings(base)]
    stage, left = fixed(base)
    assert left == ()
    assert findings(stage) == ()
    assert "-t '$SYS/broker/uptime' -C 1\n" in text(stage, path)


def test_derive_leaves_a_configuration_alone_when_nothing_in_the_tree_starts_it() -> None:
    """Whoever does would lose the broker: a production one beside it speaks TLS instead."""
    path = PurePosixPath("ci/mosquitto.conf")
    base = MemoryTree({str(path): PLAIN.encode()})
    assert [item.path for item in findings(base)] == [path]
    stage, left = fixed(base)
    assert left == ()
    assert findings(stage) == ()
    assert text(stage, path) == PLAIN
    assert {str(edit.path) for edit in stage.edits} == {"ci/mosquitto.prod.conf", "ci/aclfile"}


@pytest.mark.parametrize(
    ("base", "reason", "words"),
    [
        (tree(SERVICE + "  x: {ports: ['5101:80']}\n"), Reason.AMBIGUOUS, "5101 is taken"),
        (tree(SERVICE.replace("5100:", "10.0.0.9:5100:")), Reason.AMBIGUOUS, "10.0.0.9"),
        (tree(SERVICE.replace(MOUNT, "")), Reason.AMBIGUOUS, "not in this tree"),
        (tree(conf=SOUND.replace("cafile /c/ca.crt\n", "")), Reason.AMBIGUOUS, "refuses every"),
        (
            tree(**{"edge-layer__edge-mqtt-broker__certs__README.md": "Ask Bob."}),
            Reason.AMBIGUOUS,
            "not ours",
        ),
    ],
)
def test_derive_refuses_when_the_place_is_not_clear(base: Tree, reason: Reason, words: str) -> None:
    """It says what it left alone instead of guessing."""
    _, left = fixed(base)
    assert [item.reason for item in left if words in item.detail] == [reason]


def test_detect_names_the_line_when_the_compose_file_does_not_parse() -> None:
    """A broken compose file is unresolved, never edited."""
    base = tree(SERVICE + "    ports: [\n  x: y\n")
    (check, *_) = rules.checks(GAP, base)
    assert [(item.path, item.reason) for item in check.unresolved] == [(COMPOSE, Reason.UNPARSABLE)]
    assert COMPOSE not in {edit.path for made in GAP.fix(base) for edit in made.edits}


def test_derive_keeps_limits_when_it_renders_production_anew() -> None:
    """What a broken production file had set besides access and TLS stays."""
    path = "edge-layer/edge-mqtt-broker/mosquitto.prod.conf"
    conf = "per_listener_settings\nlistener 8883\nmax_packet_size 99\nmax_connections 7\n"
    stage, _ = fixed(tree(**{path.replace("/", "__"): conf}))
    after = parse(text(stage, PurePosixPath(path)).encode())
    assert (after.value("max_packet_size"), after.value("max_connections")) == ("99", "7")
    assert production_problems(after) == ()


HELD = "/mosquitto/config/certs"
MUTUAL = (
    f"# ours\nlistener 8883\ncafile {HELD}/ca.crt\ncertfile {HELD}/server.crt\n"
    f"keyfile {HELD}/server.key\nrequire_certificate true\nuse_identity_as_username true\n"
    "persistence true\nallow_anonymous false\n"
)


@pytest.mark.parametrize("said", ["", "ciphers HIGH:!aNULL\n"])
def test_derive_limits_the_suites_of_production_that_works(said: str) -> None:
    """One line of a sound file changes, also where its certificate is an RSA one.

    Besides it names the access list that the broker now has.
    """
    path = PurePosixPath("edge-layer/edge-mqtt-broker/mosquitto.prod.conf")
    conf = MUTUAL.replace("keyfile", f"{said}keyfile")
    base = tree(**{str(path).replace("/", "__"): conf})
    assert "it offers suites beyond Mozilla's intermediate profile" in [
        item.message for item in findings(base) if item.path == path
    ]
    stage, left = fixed(base)
    after = text(stage, path)
    added = [line for line in after.splitlines() if line not in conf.splitlines()]
    assert left == ()
    assert findings(stage) == ()
    assert [line.split()[0] for line in added] == ["ciphers", "acl_file"]
    assert "ECDHE-RSA-AES128-GCM-SHA256" in added[0]
    assert after.replace(added[0] + "\n", said).replace(added[1] + "\n", "") == conf


def test_derive_keeps_every_listener_when_it_renders_production_anew() -> None:
    """TLS for browsers and loopback stay, with the access they had; open plaintext goes."""
    path = "edge-layer/edge-mqtt-broker/mosquitto.prod.conf"
    conf = (
        "per_listener_settings\nlistener 8883\nlistener 1884\nlistener 1885 127.0.0.1\n"
        "listener 9443\nprotocol websockets\ncertfile /w.crt\nkeyfile /w.key\n"
        "max_connections 7\npassword_file /p\nallow_anonymous true\n"
    )
    stage, left = fixed(tree(**{path.replace("/", "__"): conf}))
    after = parse(text(stage, PurePosixPath(path)).encode())
    assert left == ()
    assert production_problems(after) == ()
    held = {item.port: item for item in after.listeners}
    assert set(held) == {1885, 9443, 8883}
    websockets = {item.name: item.value for item in held[9443].settings}
    assert websockets == {
        "protocol": "websockets",
        "certfile": "/w.crt",
        "keyfile": "/w.key",
        "max_connections": "7",
        "password_file": "/p",
        "allow_anonymous": "false",
    }
    assert held[1885].value("allow_anonymous") == "true"
    assert held[8883].value("max_connections") == ""


def test_derive_leaves_valid_manifests_when_it_closes_the_cluster(reference: DiskTree) -> None:
    """Whatever is written for a cluster holds against the strict schemas, cert-manager's too."""
    stage, _ = fixed(reference)
    paths = [path for path in stage.paths() if path.parts[:2] == ("k8s", "edge-mqtt-broker")]
    assert PurePosixPath("k8s/edge-mqtt-broker/certificate.yaml") in paths
    assert validate_together({path: stage.read(path) or b"" for path in paths}) == ()


def test_derive_makes_no_certificate_when_something_else_fills_the_secret(
    reference: DiskTree,
) -> None:
    """An ExternalSecret, a Secret or a Certificate of that name is somebody's answer."""
    folder = PurePosixPath("k8s/edge-mqtt-broker")
    answers = {
        "ExternalSecret": "spec: {target: {name: edge-mqtt-broker-tls}}",
        "Certificate": "spec: {secretName: edge-mqtt-broker-tls}",
        "Secret": "metadata: {name: edge-mqtt-broker-tls}",
    }
    for kind, body in answers.items():
        other = Edit(
            path=folder / "own.yaml", before=None, after=f"kind: {kind}\n{body}\n".encode()
        )
        stage, left = fixed(Overlay(reference, [other]))
        assert left == ()
        assert stage.read(folder / "certificate.yaml") is None


def test_derive_lists_the_certificate_when_the_folder_has_a_kustomization(
    reference: DiskTree,
) -> None:
    """A file that no kustomization names would never reach the cluster."""
    path = PurePosixPath("k8s/edge-mqtt-broker/kustomization.yaml")
    listed = Edit(path=path, before=None, after=b"resources:\n  - configmap.yaml\n")
    stage, _ = fixed(Overlay(reference, [listed]))
    assert yaml.safe_load(text(stage, path)) == {
        "resources": ["configmap.yaml", "certificate.yaml"]
    }


def test_manifests_of_a_new_broker_are_valid_and_carry_no_secret() -> None:
    """Everything is held strictly; secrets are named, and filled by cert-manager alone."""
    made = render.cluster_manifests("broker", "farm", access_list(None))
    assert set(made) == {"configmap.yaml", "statefulset.yaml", "service.yaml", "certificate.yaml"}
    assert validate_together({PurePosixPath(name): body for name, body in made.items()}) == ()
    documents = [top for body in made.values() for top in yaml.safe_load_all(body)]
    assert "Secret" not in {top["kind"] for top in documents}
    (config,) = (top for top in documents if top["kind"] == "ConfigMap")
    assert production_problems(parse(config["data"]["mosquitto.conf"].encode())) == ()
    (workload,) = (top for top in documents if top["kind"] == "StatefulSet")
    (volume,) = (
        item for item in workload["spec"]["template"]["spec"]["volumes"] if "secret" in item
    )
    held = {top["spec"]["secretName"] for top in documents if top["kind"] == "Certificate"}
    assert volume["secret"]["secretName"] in held


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    size: 256", "    size: 2048"),
        ("  usages:", "  uses:"),
        ("apiVersion: cert-manager.io/v1\n", "apiVersion: cert-manager.io/v1alpha2\n"),
        ("    - server auth", "    - serverAuth"),
        ("  duration: 2160h", "  duration: 90d"),
        ("  selfSigned: {}", "  selfSigned: {}\n  ca: {secretName: x}"),
    ],
)
def test_validation_refuses_when_a_certificate_is_wrong(before: str, after: str) -> None:
    """The schemas are strict: what cert-manager would refuse is refused here."""
    good = render.cluster_certificate("broker", "farm", "broker-tls", workload="a/b").decode()
    assert before in good
    assert validate_together({PurePosixPath("a.yaml"): good.replace(before, after).encode()}) != ()


def test_derive_refuses_when_the_map_is_mounted_file_by_file(reference: DiskTree) -> None:
    """An access list beside the configuration would not appear through a subPath."""
    folder = "k8s/edge-mqtt-broker/"
    files = {
        str(path): reference.read(path) or b""
        for path in reference.paths()
        if str(path).startswith(folder)
    }
    name = folder + "deployment.yaml"
    files[name] = files[name].replace(
        b"mountPath: /mosquitto/config", b"mountPath: /mosquitto/config\n              subPath: x"
    )
    _, left = fixed(MemoryTree(files))
    assert ["mounts this map as a folder" in item.detail for item in left] == [True]


def test_instructions_name_what_certificates_carry() -> None:
    """The README and the issued certificate speak of the same names."""
    assert render.NAMES == certificates.BROKER_NAMES


def test_deviations_are_told_apart() -> None:
    """Each departure has an id of its own and says what was measured."""
    ids = [item.id for item in GAP.deviations]
    assert len(set(ids)) == len(ids) >= 8
    assert all(item.claim and item.finding and item.decision for item in GAP.deviations)


def test_guide_is_the_documentation_when_a_gap_is_listed() -> None:
    """Problem, before and after stand in the folder's docstring."""
    assert all(word in GAP.guide for word in ("Problem.", "Before::", "After::"))


def test_templates_speak_of_no_machine() -> None:
    """No absolute path outside the container's folders stands in a template."""
    folder: Path = BUNDLE / "templates" / "mqtt-tls"
    texts = [path.read_text() for path in sorted(folder.iterdir())]
    assert texts
    assert not [item for item in texts if "/root/" in item or "/home/" in item]
