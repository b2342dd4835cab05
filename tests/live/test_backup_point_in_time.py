"""A server that archives as rendered is destroyed, and comes back to a moment."""

import re
import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from closeout import process
from closeout.formats import x509
from closeout.gaps.backup import point_in_time
from closeout.gaps.backup.probing import archiving, drill
from closeout.harness.http import free_port
from closeout.model import Observation, ProbeContext
from closeout.process import pace

pytestmark = [pytest.mark.live, pytest.mark.needs("pgbackrest")]

_APART_SECONDS = 0.5
"""A new connection is handed to a process of its own, which leaves the port to the server."""

Ask = Callable[[bytes, bytes], Observation]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Put the question to the rendered manifests, with one piece of them replaced.

    The folder for temporary files is deeper than the address of a socket has room for.
    """

    def asked(old: bytes, new: bytes) -> Observation:
        for item in point_in_time.manifests():
            place = tmp_path / "root" / item.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(item.content().replace(old, new))
        with drill.workplace() as place:
            deep = place / ("d" * 80)
            deep.mkdir(mode=0o755)
            monkeypatch.setattr(tempfile, "tempdir", str(deep))
            context = ProbeContext(root=tmp_path / "root", scratch=deep, services={}, settings={})
            return archiving.restores_to_a_moment(context, point_in_time.FOLDER)

    return asked


def test_destroyed_server_comes_back_to_a_moment_and_its_loss_is_measured(ask: Ask) -> None:
    """Rows of before the moment are there, those of after are not, and the RPO is a figure."""
    seen = ask(b"", b"")
    assert seen.passed, seen.observed
    found = re.search(r"measured RPO ([\d.]+) s", seen.observed)
    assert found
    assert float(found[1]) < archiving.RPO_SECONDS
    assert "not a bucket" in seen.observed
    figures = {measure.name: measure.value for measure in seen.measures}
    assert figures["RPO"] >= 60 * point_in_time.ARCHIVE_MINUTES
    assert figures["RPO"] <= archiving.RPO_SECONDS


def test_archiving_that_only_says_so_is_seen(ask: Ask) -> None:
    """A command that succeeds and keeps nothing is caught before anything relies on it."""
    seen = ask(b'pgbackrest --stanza=main archive-push \\"%p\\"', b"/bin/true")
    assert seen.passed is False, seen.observed
    assert "check" in seen.observed or "archive" in seen.observed


def test_timeout_beyond_the_plan_is_seen(ask: Ask) -> None:
    """The rehearsal shortens the timeout, so the tree's own is judged first."""
    seen = ask(b"archive_timeout=5min", b"archive_timeout=1h")
    assert seen.passed is False
    assert "3600 s" in seen.observed


def test_tree_without_archiving_is_told_so(tmp_path: Path) -> None:
    """Where nothing archives, a moment cannot be reached."""
    context = ProbeContext(root=tmp_path, scratch=tmp_path, services={}, settings={})
    seen = archiving.restores_to_a_moment(context, point_in_time.FOLDER)
    assert seen.passed is False
    assert "archives no WAL" in seen.observed


def served(port: int) -> str:
    """Return the certificate of who listens there, empty where nobody does."""
    try:
        return ssl.get_server_certificate(("127.0.0.1", port))
    except OSError:
        return ""


def comes(port: int, wanted: str) -> bool:
    """Return whether the certificate is served before long."""
    waiting = pace.Waiting(20.0)
    while (seen := served(port)) != wanted and waiting.lasts():
        time.sleep(0.1)
    return seen == wanted


def test_server_serves_a_renewed_certificate_and_keeps_who_is_connected(tmp_path: Path) -> None:
    """The container's own command, with seconds for its hours; nothing restarts it."""
    files = {item.path: item.content() for item in point_in_time.manifests()}
    patch = yaml.safe_load(yaml.safe_load(files[point_in_time.PATCH])["patches"][0]["patch"])
    argv = patch["spec"]["template"]["spec"]["containers"][1]["command"]
    signer_key, now, port = x509.new_key(), datetime.now(UTC), free_port()
    signer = x509.Authority(certificate=x509.authority(signer_key, now=now), key=signer_key)
    (tmp_path / "ca.crt").write_bytes(x509.pem(signer.certificate))

    def renewed(name: str) -> str:
        """Put a certificate and its key there at once, as the kubelet does."""
        key, folder = x509.new_key(), tmp_path / name
        made = x509.pem(x509.server(signer, key, names=("localhost",), now=now))
        folder.mkdir()
        (folder / "tls.key").touch(mode=0o600)
        (folder / "tls.key").write_bytes(x509.key_pem(key))
        (folder / "tls.crt").write_bytes(made)
        (tmp_path / "next").symlink_to(folder)
        (tmp_path / "next").replace(tmp_path / "current")
        return made.decode()

    (tmp_path / "empty.conf").touch()
    options = {
        "CONFIG": "empty.conf",
        "LOCK_PATH": "lock",
        "TLS_SERVER_CERT_FILE": "current/tls.crt",
        "TLS_SERVER_KEY_FILE": "current/tls.key",
        "TLS_SERVER_CA_FILE": "ca.crt",
    }
    env = {f"PGBACKREST_{name}": str(tmp_path / value) for name, value in options.items()}
    env |= {"PGBACKREST_TLS_SERVER_PORT": str(port), "PGBACKREST_LOG_LEVEL_FILE": "off"}
    env |= {"PGBACKREST_TLS_SERVER_ADDRESS": "127.0.0.1", "PGBACKREST_TLS_SERVER_AUTH": "a=main"}
    env["PGBACKREST_LOG_LEVEL_CONSOLE"] = "info"
    script = re.sub(r"(?<= )/tmp(?=/read)", str(tmp_path), argv[-1])
    script = re.sub(r"(?<= )/certificates(?=/)", str(tmp_path / "current"), script)
    script = script.replace("sleep 600", "sleep 1")
    quick = [*argv[:-1], script]
    first, log = renewed("first"), tmp_path / "log"
    with process.running(quick, log=log, cwd=tmp_path, env=env) as server:
        assert comes(port, first), log.read_text()
        with socket.create_connection(("127.0.0.1", port)) as held:
            time.sleep(_APART_SECONDS)
            second, waiting = renewed("second"), pace.Waiting(20.0)
            while log.read_text().count("server command begin") == 1 and waiting.lasts():
                time.sleep(0.1)
            assert comes(port, second), log.read_text()
            trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
            with trusting.wrap_socket(held, server_hostname="localhost") as spoken:
                assert spoken.getpeercert()
        assert server.poll() is None
        assert log.read_text().count("server command begin") == 2
