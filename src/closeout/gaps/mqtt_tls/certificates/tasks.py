"""Make, check, renew and rotate the broker's development certificates; say what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from closeout.console.output import give, say
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import codec, writer
from closeout.gaps.mqtt_tls import certificates
from closeout.gaps.mqtt_tls.certificates import (
    BROKER_NAMES,
    IssueReport,
    expiry,
    rotation,
)
from closeout.gaps.mqtt_tls.certificates.secretfiles import Rehearsal
from closeout.gaps.mqtt_tls.mosquitto import render

_OURS = Path("edge-mqtt-broker") / "certs"
_THEIRS = Path("edge-layer") / "edge-mqtt-broker" / "certs"
_LONGEST_NAME = 200
"""Characters of a fleet file's line that are looked at: one line must not fill the memory."""

_NEXT = {
    rotation.Step.TRUST: "restart the broker, give every client broker/ca.crt, "
    "then run invoke certs.rotate --step sign",
    rotation.Step.SIGN: "send the broker SIGHUP, give every client its new certificate, "
    "then run invoke certs.rotate --step retire",
    rotation.Step.RETIRE: "restart the broker, and give every client broker/ca.crt",
}


def dev(  # noqa: PLR0913 - each is a command-line option
    home: Path, *, root: str, names: str, fleet: str, force: bool, dry_run: bool
) -> ExitCode:
    """Issue what is missing or expired, or all of it anew, or one certificate a device."""
    folder = _folder(home, root)
    wanted = tuple(name.strip() for name in names.split(",") if name.strip()) or BROKER_NAMES
    if fleet and dry_run:
        return rehearse_fleet(folder, Path(fleet))
    if fleet:
        return make_fleet(folder, Path(fleet), wanted)
    issue = certificates.reissue if force else certificates.issue
    if dry_run:
        return _rehearsed(issue(folder, wanted, pen=Rehearsal()))
    _instructions(folder, wanted)
    return _told(issue(folder, wanted))


def check(home: Path, *, root: str, days: int) -> ExitCode:
    """Say what is about to expire."""
    return look(_folder(home, root), days)


def renew(home: Path, *, root: str) -> ExitCode:
    """Sign again what is about to expire, over the same keys and names."""
    return _told(certificates.renew(_folder(home, root)))


def _folder(home: Path, root: str) -> Path:
    """Return the certificate folder of the monorepo at `root`, the project's own without one.

    Raises CloseoutError where a link leads there: keys would be written elsewhere.
    """
    folder = Path(root).resolve() / _THEIRS if root else home.resolve() / _OURS
    if folder.resolve() != folder:
        raise CloseoutError(
            "certificates-linked",
            f"{folder} is behind a symbolic link: keys would be written elsewhere.",
            hint="replace the link by a folder.",
        )
    return folder


def make_fleet(folder: Path, source: Path, names: tuple[str, ...] = BROKER_NAMES) -> ExitCode:
    """Issue one client certificate a line of `source`; what stands is kept, so run it again."""
    _instructions(folder, names)
    certificates.issue(folder, names, ())
    return _counted(folder, source, "written", certificates.issue_clients(folder, _lines(source)))


def rehearse_fleet(folder: Path, source: Path) -> ExitCode:
    """Count what `make_fleet` would write, and write nothing."""
    served = certificates.issue_clients(folder, _lines(source), pen=Rehearsal())
    return _counted(folder, source, "would be written", served)


def rotate(home: Path, *, step: str, root: str) -> ExitCode:
    """Take one step of a rotation of the authority."""
    known = {item.value: item for item in rotation.Step}
    if step not in known:
        raise CloseoutError(
            "rotation-step-unknown",
            f"{step!r} is no step of a rotation.",
            hint=f"take --step {', then '.join(known)}; each once the clients are ready for it.",
        )
    made = rotation.rotate(_folder(home, root), known[step])
    for name in made.written:
        say(f"wrote {name}")
    say(f"next: {_NEXT[known[step]]}.")
    give("written", list(made.written))
    give("next", _NEXT[known[step]])
    return ExitCode.SETTLED


def cluster(home: Path, *, out: str, root: str, namespace: str) -> ExitCode:
    """Write the broker's manifests for a cluster into `out`, with the access list of `root`."""
    folder, broker = Path(out), Path(root or home) / _THEIRS.parent
    access, example = (broker / name for name in ("aclfile", "aclfile.example"))
    known = access.read_bytes() if access.is_file() else None
    acl = known or render.access_list(example.read_bytes() if example.is_file() else None)
    made = render.cluster_manifests(_OURS.parts[0], namespace, acl)
    taken = [name for name in made if (folder / name).exists()]
    if taken:
        raise CloseoutError(
            "manifests-there",
            f"{folder} has {', '.join(taken)} already; nothing was overwritten.",
            hint="name another folder with --out.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        writer.durable_write(folder / name, content)
        say(f"wrote {folder / name}")
    give("written", [str(folder / name) for name in made])
    return ExitCode.SETTLED


def look(folder: Path, days: int = expiry.DUE.days) -> ExitCode:
    """Print every certificate's state; GAPS_LEFT where one is not valid, UNPROVEN without any."""
    found = expiry.check(folder, due=timedelta(days=days))
    say("\n".join(str(item) for item in found) or f"{folder} holds no certificate")
    if not found:
        say("hint: invoke certs.dev makes them.")
    give("folder", str(folder))
    give("certificates", codec.plain(found))
    return _judged(found)


def _judged(found: tuple[expiry.CertificateStatus, ...]) -> ExitCode:
    if not found:
        return ExitCode.UNPROVEN
    bad = [item for item in found if item.state is not expiry.State.VALID]
    return ExitCode.GAPS_LEFT if bad else ExitCode.SETTLED


def _lines(source: Path) -> Iterator[str]:
    """Yield the names of a fleet file, one a line; empty lines and comments are none."""
    try:
        with source.open(encoding="utf-8", errors="replace") as stream:
            while line := stream.readline(_LONGEST_NAME):
                name = line.strip()
                if name and not name.startswith("#"):
                    yield name
    except OSError as error:
        raise CloseoutError(
            "fleet-unreadable",
            f"{source} cannot be read: {error.strerror}.",
            hint="name a text file with one device a line.",
        ) from error


def _counted(
    folder: Path, source: Path, verb: str, served: Iterator[certificates.Served]
) -> ExitCode:
    total = written = 0
    try:
        for client in served:
            total += 1
            written += bool(client.written)
    finally:
        say(f"{folder}: {total} clients of {source.name}, {written} {verb}")
        give("fleet", {"folder": str(folder), "clients": total, "written": written})
    return ExitCode.SETTLED


def _instructions(folder: Path, names: tuple[str, ...]) -> None:
    """Write the folder's README and .gitignore where they are missing: keys are never committed."""
    folder.mkdir(parents=True, exist_ok=True)
    access, example = (folder.parent / name for name in ("aclfile", "aclfile.example"))
    topics = render.access_list(example.read_bytes() if example.is_file() else None)
    topics = access.read_bytes() if access.is_file() else topics
    made = {"README.md": render.instructions(topics, names), ".gitignore": render.ignored()}
    for name, content in made.items():
        if not (folder / name).exists():
            writer.durable_write(folder / name, content)


def _told(made: IssueReport) -> ExitCode:
    for name in made.written:
        say(f"wrote {name}")
    say(f"{made.folder}: {len(made.written)} written, {len(made.kept)} kept")
    say("next: let the broker's group read broker/server.key, as README.md beside it says.")
    say("next: restart the broker, or send it SIGHUP where only certificates were renewed.")
    _given(made)
    return ExitCode.SETTLED


def _rehearsed(made: IssueReport) -> ExitCode:
    for name in made.written:
        say(f"would write {name}")
    say(f"{made.folder}: {len(made.written)} would be written, {len(made.kept)} kept")
    _given(made)
    return ExitCode.SETTLED


def _given(made: IssueReport) -> None:
    give("folder", str(made.folder))
    give("written", [str(name) for name in made.written])
    give("kept", len(made.kept))
