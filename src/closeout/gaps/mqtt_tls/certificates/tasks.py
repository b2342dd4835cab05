"""Make, check, renew and rotate the broker's development certificates; say what to do next."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path, PurePosixPath

from closeout.console.layout import counted, wrapped
from closeout.console.output import give, say, sum_up
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import codec, recovery, writer
from closeout.fs.tree import DiskTree
from closeout.gaps.mqtt_tls import certificates
from closeout.gaps.mqtt_tls.access.listing import access_list
from closeout.gaps.mqtt_tls.certificates import (
    BROKER_NAMES,
    CLIENT_NAMES,
    IssueReport,
    expiry,
    rotation,
)
from closeout.gaps.mqtt_tls.certificates.secretfiles import REHEARSAL
from closeout.gaps.mqtt_tls.detect import survey
from closeout.gaps.mqtt_tls.mosquitto import render
from closeout.gaps.mqtt_tls.mosquitto.configuration import parse

_OURS = Path("edge-mqtt-broker") / "certs"
_THEIRS = Path("edge-layer") / "edge-mqtt-broker" / "certs"
_LONGEST_NAME = 200
"""Characters of a fleet file's line that are looked at: one line must not fill the memory."""

_NEXT = {
    rotation.Step.TRUST: "restart the broker, give every client broker/ca.crt, "
    "then run invoke certs.rotate --step sign{root}",
    rotation.Step.SIGN: "send the broker SIGHUP, give every client its new certificate, "
    "then run invoke certs.rotate --step retire{root}",
    rotation.Step.RETIRE: "restart the broker, and give every client broker/ca.crt",
}


def dev(  # noqa: PLR0913 - each is a command-line option
    home: Path, *, root: str, names: str, fleet: str, force: bool, dry_run: bool
) -> ExitCode:
    """Issue what is missing or expired, or all of it anew, or one certificate a device."""
    folder = _folder(home, root)
    known = _names(root, folder) if root else BROKER_NAMES
    wanted = tuple(name.strip() for name in names.split(",") if name.strip()) or known
    if fleet and dry_run:
        served = certificates.issue_clients(folder, _lines(Path(fleet)), pen=REHEARSAL)
        return _counted(folder, Path(fleet), "would be written", served)
    if fleet:
        with recovery.whole(Path(root or home)):
            return make_fleet(folder, Path(fleet), wanted, top=Path(root or home))
    issue = certificates.reissue if force else certificates.issue
    if dry_run:
        return _told(issue(folder, wanted, _clients(folder), pen=REHEARSAL), is_rehearsed=True)
    with recovery.whole(Path(root or home)):
        _instructions(folder, wanted, Path(root or home))
        return _told(issue(folder, wanted, _clients(folder)))


def check(home: Path, *, root: str, days: int) -> ExitCode:
    """Say what is about to expire."""
    return look(_folder(home, root), days, shlex.join(["--root", root]) if root else "")


def renew(home: Path, *, root: str) -> ExitCode:
    """Sign again what is about to expire, over the same keys and names."""
    with recovery.whole(Path(root or home)):
        return _told(certificates.renew(_folder(home, root)))


def _folder(home: Path, root: str) -> Path:
    """Return the certificate folder of the broker of `root`, the project's own without one.

    Raises CloseoutError where a link leads there, for keys would be written elsewhere, and where
    there are several brokers.
    """
    folder = _of_broker(Path(root).resolve()) if root else home.resolve() / _OURS
    if folder.resolve() != folder:
        raise CloseoutError(
            "certificates-linked",
            f"{folder} is behind a symbolic link: keys would be written elsewhere.",
            hint="replace the link by a folder.",
        )
    return folder


def _of_broker(root: Path) -> Path:
    folders = () if (root / _THEIRS.parent).is_dir() else survey(DiskTree(root)).folders
    if len(folders) > 1:
        raise CloseoutError(
            "brokers-several",
            f"{root} has several brokers: {', '.join(str(folder) for folder in folders)}.",
            hint="name one of these folders with --root.",
        )
    if (root / render.LISTENER).is_file():
        return root / "certs"
    return root / folders[0] / "certs" if folders else root / _THEIRS


def _names(root: str, folder: Path) -> tuple[str, ...]:
    """Return what the tree's clients dial, all that we know of where no broker is seen."""
    top = Path(root).resolve()
    seen = survey(DiskTree(top))
    place = PurePosixPath(folder.parent.relative_to(top).as_posix())
    return seen.dialled(place) if place in seen.folders else BROKER_NAMES


def _clients(folder: Path) -> tuple[str, ...]:
    """Return the users of the access list, and a device to try it with."""
    users = parse(_held(folder.parent / "aclfile") or b"").values("user")
    return tuple(dict.fromkeys([*users, "probe-device"])) if users else CLIENT_NAMES


def make_fleet(
    folder: Path, source: Path, names: tuple[str, ...] = BROKER_NAMES, *, top: Path
) -> ExitCode:
    """Issue one client certificate a line of `source`; what stands is kept, so run it again."""
    _instructions(folder, names, top)
    certificates.issue(folder, names, ())
    return _counted(folder, source, "written", certificates.issue_clients(folder, _lines(source)))


def rotate(home: Path, *, step: str, root: str) -> ExitCode:
    """Take one step of a rotation of the authority."""
    known = {item.value: item for item in rotation.Step}
    if step not in known:
        raise CloseoutError(
            "rotation-step-unknown",
            f"{step!r} is no step of a rotation.",
            hint=f"take --step {', then '.join(known)}; each once the clients are ready for it.",
        )
    with recovery.whole(Path(root or home)):
        made = rotation.rotate(_folder(home, root), known[step])
    for name in made.written:
        say(f"wrote {name}")
    named = f" {shlex.join(['--root', root])}" if root else ""
    then = _NEXT[known[step]].format(root=named)
    sum_up("\n".join(wrapped("", f"next: {then}.")))
    give("written", list(made.written))
    give("next", then)
    return ExitCode.SETTLED


def cluster(home: Path, *, out: str, root: str, namespace: str) -> ExitCode:
    """Write the broker's manifests for a cluster into `out`, with the access list of `root`."""
    folder, broker = Path(out), Path(root or home) / _THEIRS.parent
    acl = _held(broker / "aclfile") or access_list(_held(broker / "aclfile.example"))
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
    sum_up(f"{folder}: {counted(len(made), 'manifest')} written")
    give("written", [str(folder / name) for name in made])
    return ExitCode.SETTLED


def look(folder: Path, days: int = expiry.DUE.days, root: str = "") -> ExitCode:
    """Print every certificate's state; GAPS_LEFT where one is not valid, UNPROVEN without any.

    `root` is what the command that makes them has to be told, in a shell's words.
    """
    found = expiry.check(folder, due=timedelta(days=days))
    for item in found:
        say(str(item))
    states = Counter(item.state.value for item in found)
    total = counted(len(found), "certificate")
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    sum_up(f"{total}: {told}" if found else f"{folder} holds no certificate")
    if not found:
        say(f"hint: {f'invoke certs.dev {root}'.rstrip()} makes them.")
    give("folder", str(folder))
    give("certificates", codec.plain(found))
    is_bad = any(item.state is not expiry.State.VALID for item in found)
    sound = ExitCode.SETTLED if found else ExitCode.UNPROVEN
    return ExitCode.GAPS_LEFT if is_bad else sound


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
        clients = counted(total, "client")
        sum_up(f"{folder}: {clients} of {source.name}, {written} {verb}")
        give("fleet", {"folder": str(folder), "clients": total, "written": written})
    return ExitCode.SETTLED


def _instructions(folder: Path, names: tuple[str, ...], top: Path) -> None:
    """Write the folder's README and .gitignore where they are missing: keys are never committed."""
    certificates.PEN.folder(folder, 0o755)
    access, listed = (_held(folder.parent / name) for name in ("aclfile", "aclfile.example"))
    topics = access_list(listed) if access is None else access
    here = os.path.relpath(folder, top.resolve())
    readme = render.instructions(topics, names, folder=here)
    made = {"README.md": readme, ".gitignore": render.ignored()}
    for name, content in made.items():
        if not (folder / name).exists():
            writer.durable_write(folder / name, content)


def _held(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _told(made: IssueReport, *, is_rehearsed: bool = False) -> ExitCode:
    wrote, written = ("would write", "would be written") if is_rehearsed else ("wrote", "written")
    for name in made.written:
        say(f"{wrote} {name}")
    sum_up(f"{made.folder}: {len(made.written)} {written}, {len(made.kept)} kept")
    if made.written and not is_rehearsed:
        say("next: let the broker's group read broker/server.key, as README.md beside it says.")
        say("next: restart the broker, or send it SIGHUP where only certificates were renewed.")
    give("folder", str(made.folder))
    give("written", list(made.written))
    give("kept", len(made.kept))
    return ExitCode.SETTLED
