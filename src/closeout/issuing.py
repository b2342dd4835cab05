"""Make, check and renew the broker's development certificates, and say what to do next."""

from __future__ import annotations

from pathlib import Path

from closeout import expiry, writer
from closeout.certificates import IssueReport, issue, reissue, renew
from closeout.errors import ExitCode
from closeout.gaps.mqtt_tls import rendered

_OURS = Path("edge-mqtt-broker") / "certs"
_THEIRS = Path("edge-layer") / "edge-mqtt-broker" / "certs"


def folder_of(home: Path, root: str) -> Path:
    """Return the certificate folder of the monorepo at `root`, the project's own without one."""
    return Path(root).resolve() / _THEIRS if root else home / _OURS


def make(folder: Path) -> ExitCode:
    """Issue what is missing or expired into `folder`; valid files stay."""
    _instructions(folder)
    return _told(issue(folder))


def make_anew(folder: Path) -> ExitCode:
    """Replace authority, keys and certificates in `folder`."""
    _instructions(folder)
    return _told(reissue(folder))


def extend(folder: Path) -> ExitCode:
    """Sign again what is about to expire, over the same keys."""
    return _told(renew(folder))


def look(folder: Path) -> ExitCode:
    """Print every certificate's state; GAPS_LEFT where one is not valid, UNPROVEN without any."""
    found = expiry.check(folder)
    print("\n".join(str(item) for item in found) or f"{folder} holds no certificate")
    if not found:
        print("hint: invoke certs.dev makes them.")
        return ExitCode.UNPROVEN
    bad = [item for item in found if item.state is not expiry.State.VALID]
    return ExitCode.GAPS_LEFT if bad else ExitCode.SETTLED


def _instructions(folder: Path) -> None:
    """Write the folder's README and .gitignore where they are missing: keys are never committed."""
    folder.mkdir(parents=True, exist_ok=True)
    access, example = (folder.parent / name for name in ("aclfile", "aclfile.example"))
    topics = rendered.access_list(example.read_bytes() if example.is_file() else None)
    topics = access.read_bytes() if access.is_file() else topics
    made = {"README.md": rendered.instructions(topics), ".gitignore": rendered.ignored()}
    for name, content in made.items():
        if not (folder / name).exists():
            writer.durable_write(folder / name, content)


def _told(made: IssueReport) -> ExitCode:
    for name in made.written:
        print(f"wrote {name}")
    print(f"{made.folder}: {len(made.written)} written, {len(made.kept)} kept")
    print("next: restart the broker, or send it SIGHUP where only certificates were renewed.")
    return ExitCode.SETTLED
