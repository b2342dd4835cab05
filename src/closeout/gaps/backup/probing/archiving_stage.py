"""Provide the server, the repository and the settings with which a tree's archiving is tried."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from closeout import process
from closeout.errors import CloseoutError
from closeout.formats import x509
from closeout.formats.manifests import documents
from closeout.harness import postgres, postgres_data
from closeout.harness.http import free_port
from closeout.process import scratch as folders

_STEP_SECONDS = 120.0
_MOST_BYTES = 50
"""Of a folder in which one for sockets is made: that one's name and the socket's take some more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What a tree says of archiving: the server's settings, two files, and three commands."""

    settings: Mapping[str, str]
    database_conf: str
    job_conf: str
    full: str
    diff: str
    restore: str

    @property
    def client(self) -> str:
        """Return the name of the certificate that the database's pod lets in."""
        found = re.search(r"(?m)^tls-server-auth=(.+)=", self.database_conf)
        return found[1] if found else "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivingStage:
    """Where the server, its repository and its two configurations live for one probe.

    `sockets` is a folder of its own: the address of a socket has room for 107 bytes.
    """

    home: Path
    sockets: Path
    user: pwd.struct_passwd | None
    programs: Path
    password: str
    tls_port: int

    @property
    def data(self) -> Path:
        """Return the server's data folder."""
        return self.home / "data"

    def run(self, script: str, whose: str, extra: Mapping[str, str] | None = None) -> None:
        """Run a command of the tree, with the database's or the job's configuration.

        Raises CloseoutError("archiving-failed") where it fails.
        """
        done = process.run(
            ["bash", "-ec", script],
            cwd=self.home,
            env=self.environment(whose) | dict(extra or {}),
            deadline=_STEP_SECONDS,
            user=postgres.uid_of(self.user),
        )
        if not done.ok:
            lines = [line for line in (done.out + done.err).splitlines() if "ERROR" in line]
            told = (lines or (done.err or done.out).splitlines() or ["no output"])[-1]
            raise failed(f"{script.partition(';')[0]} ended with {done.code}: {told.strip()}")

    def environment(self, whose: str) -> dict[str, str]:
        """Return the variables that put this machine's places over the configuration's."""
        tls, options = (
            self.home / "tls",
            {
                "CONFIG": self.home / f"{whose}.conf",
                "REPO1_TYPE": "posix",
                "REPO1_PATH": self.home / "repository",
                "LOCK_PATH": self.home / "lock",
                "PG1_PATH": self.data,
                "PG1_USER": postgres.USER,
                "PG1_SOCKET_PATH": self.sockets,
            },
        )
        if whose == "job":
            options |= {
                "PG1_HOST": "localhost",
                "PG1_HOST_PORT": self.tls_port,
                "PG1_HOST_CONFIG": self.home / "database.conf",
                "PG1_HOST_CERT_FILE": tls / "client.crt",
                "PG1_HOST_KEY_FILE": tls / "client.key",
                "PG1_HOST_CA_FILE": tls / "ca.crt",
            }
        else:
            options |= {
                "TLS_SERVER_ADDRESS": postgres.HOST,
                "TLS_SERVER_PORT": self.tls_port,
                "TLS_SERVER_CERT_FILE": tls / "server.crt",
                "TLS_SERVER_KEY_FILE": tls / "server.key",
                "TLS_SERVER_CA_FILE": tls / "ca.crt",
            }
        return {f"PGBACKREST_{name}": str(value) for name, value in options.items()} | {
            "PGPASSWORD": self.password
        }

    @contextmanager
    def server(self, settings: Mapping[str, str]) -> Iterator[postgres.Server]:
        """Run the server for the block, which ends as in a crash."""
        own = {
            "listen_addresses": postgres.HOST,
            "unix_socket_directories": str(self.sockets),
            "fsync": "off",
        }
        environment = self.environment("database")
        with postgres.listening(
            self.programs, self.home, {**settings, **own}, self.user, environment
        ) as port:
            yield postgres.Server(
                host=postgres.HOST,
                port=port,
                user=postgres.USER,
                password=self.password,
                bin=self.programs,
            )


def read_kit(folder: Path) -> Kit:
    """Return what the manifests in `folder` say.

    Raises OSError, LookupError, TypeError or ValueError where they are not there or not ours.
    """
    made = {
        (item.kind, item.field("metadata", "name")): item
        for item in documents((folder / "pgbackrest.yaml").read_bytes())
    }
    patch = documents((folder / "kustomization.yaml").read_bytes())[0].field("patches")[0]["patch"]
    stateful = documents(patch.encode())[0].value
    words = _container(stateful["spec"])["args"]
    restore = documents((folder / "restore.yaml").read_bytes())[0].value
    jobs = {
        kind: _container(made["CronJob", f"pgbackrest-{kind}"].value["spec"]["jobTemplate"]["spec"])
        for kind in ("full", "diff")
    }
    return Kit(
        settings=dict(word.split("=", 1) for word in words if word != "-c"),
        database_conf=made["ConfigMap", "pgbackrest-database"].value["data"]["pgbackrest.conf"],
        job_conf=made["ConfigMap", "pgbackrest-job"].value["data"]["pgbackrest.conf"],
        full=jobs["full"]["command"][-1],
        diff=jobs["diff"]["command"][-1],
        restore=_container(restore["spec"])["command"][-1],
    )


def _container(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    first: Mapping[str, Any] = spec["template"]["spec"]["containers"][0]
    return first


@contextmanager
def socket_folder() -> Iterator[Path]:
    """Provide a folder for sockets that any account can use, with a short name."""
    usual = Path(tempfile.gettempdir())
    place = usual if len(os.fsencode(usual)) <= _MOST_BYTES else Path("/tmp")  # noqa: S108 - the one that is short everywhere
    with folders.folder("socket", place, mode=0o1777) as made:
        yield made


def prepared(kit: Kit, home: Path, sockets: Path, user: pwd.struct_passwd | None) -> ArchivingStage:
    """Make an empty cluster below `home`, certificates and an empty repository.

    Raises CloseoutError("postgres-missing") without a server, ("postgres-failed") without a
    cluster.
    """
    programs = postgres.binaries()
    if programs is None:
        raise CloseoutError("postgres-missing", "no PostgreSQL on this machine", hint="install it.")
    place = ArchivingStage(
        home=home,
        sockets=sockets,
        user=user,
        programs=programs,
        password=secrets.token_hex(16),
        tls_port=free_port(),
    )
    problem = postgres_data.initialise(programs, place.data, place.password, user=user)
    if problem:
        raise CloseoutError("postgres-failed", problem, hint="check the disk space.")
    (home / "database.conf").write_text(kit.database_conf)
    (home / "job.conf").write_text(kit.job_conf)
    _write_certificates(home / "tls", kit.client)
    (home / "repository").mkdir()
    if user is not None:
        for path in (*home.glob("*.conf"), home / "repository", *home.glob("tls/*")):
            os.chown(path, user.pw_uid, user.pw_gid)
    return place


def _write_certificates(folder: Path, client: str) -> None:
    """Write an authority's certificate, and one each for the server and its client, with keys."""
    now = datetime.now(UTC)
    root = x509.new_key()
    signer = x509.Authority(certificate=x509.authority(root, now=now), key=root)
    folder.mkdir()
    (folder / "ca.crt").write_bytes(x509.pem(signer.certificate))
    keys = {"server": x509.new_key(), "client": x509.new_key()}
    made = {
        "server": x509.server(signer, keys["server"], names=("localhost",), now=now),
        "client": x509.client(signer, keys["client"], name=client, now=now),
    }
    for name, certificate in made.items():
        (folder / f"{name}.crt").write_bytes(x509.pem(certificate))
        key = folder / f"{name}.key"
        key.touch(mode=0o600)
        key.write_bytes(x509.key_pem(keys[name]))


def failed(message: str) -> CloseoutError:
    """Return the error of a step that did not do what the tree promises."""
    return CloseoutError("archiving-failed", message, hint="mend what the message names.")
