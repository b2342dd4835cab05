"""What the tests of the backup scripts share: a bench, its programs, what stands in a folder."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx

from closeout import process
from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.buckets import BUCKET, UNREAD_SIGNATURE, Emulator
from closeout.gaps.backup.probing.scripts import ScriptBench
from closeout.harness import postgres

DATABASE = "cloud_telemetry"
LONG_AGO = (1577836800, "20200101T000000Z"), (1577923200, "20200102T000000Z")
"""Two moments that any retention by age calls old: seconds and the folder's name."""


def back_up(bench: ScriptBench, **extra: str) -> drill.ScriptRun:
    """Back up one database."""
    return bench.back_up({"BACKUP_DATABASES": DATABASE, **extra})


def restore(bench: ScriptBench, *arguments: str, **extra: str) -> drill.ScriptRun:
    """Restore with the healthy settings and `extra` over them."""
    settings = drill.connection(bench.server) | {"BACKUP_DIR": str(bench.folder)} | extra
    return drill.restore(arguments, settings, deadline=60)


def newest(bench: ScriptBench) -> Path:
    """Return the newest backup of the database."""
    return drill.backups_of(bench.folder, DATABASE)[-1]


def databases(bench: ScriptBench) -> set[str]:
    """Return the names of all databases of the server."""
    rows = drill.ask(bench.server, "postgres", "SELECT datname FROM pg_database")
    return set(rows.split("\n")) - {""}


def create(server: postgres.Server, name: str, sql: str) -> None:
    """Make a database of any name, with the content that `sql` gives it."""
    quoted = name.replace('"', '""')
    do(server, f'CREATE DATABASE "{quoted}"')
    drill.ask(server, name, sql)


def do(server: postgres.Server, *statements: str) -> None:
    """Carry out each statement by itself: some refuse to be part of a transaction."""
    words = [word for statement in statements for word in ("-c", statement)]
    done = process.run([server.bin / "psql", "-X", "-q", *words], env=server.environment())
    assert done.ok, done.err


def plant(emulator: Emulator, key: str, data: bytes) -> None:
    """Put an object into an emulator's bucket, as somebody else would."""
    name = f"daily/{key}"
    if emulator.scheme == "gs":
        place = f"{emulator.url}/upload/storage/v1/b/{BUCKET}/o"
        answer = httpx.post(place, params={"uploadType": "media", "name": name}, content=data)
    else:
        signed = {"Authorization": UNREAD_SIGNATURE}
        answer = httpx.put(f"{emulator.url}/{BUCKET}/{name}", headers=signed, content=data)
    answer.raise_for_status()


def writable(path: Path) -> Path:
    """Return the path, opened for the damage that a test does to it."""
    path.chmod(0o600)
    return path


def with_program(bench: ScriptBench, name: str, text: str, *, among: Path | None = None) -> Path:
    """Make a folder of programs in which one is another: the server's, or those of `among`."""
    folder = Path(tempfile.mkdtemp(prefix="programs-", dir=bench.scratch))
    folder.chmod(0o755)
    for program in (among or bench.server.bin).iterdir():
        (folder / program.name).symlink_to(program)
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return folder


def reseal(backup: Path) -> None:
    """Let the sums of a backup fit what somebody put into it."""
    names = sorted(
        path.relative_to(backup).as_posix()
        for path in backup.rglob("*")
        if path.is_file() and path.name not in {"SHA256SUMS", "VERIFIED", "UPLOADED"}
    )
    sums = "".join(
        f"{hashlib.sha256((backup / name).read_bytes()).hexdigest()}  {name}\n" for name in names
    )
    writable(backup / "SHA256SUMS").write_text(sums)
    epoch, _ = (backup / "VERIFIED").read_text().split()
    digest = hashlib.sha256(sums.encode()).hexdigest()
    writable(backup / "VERIFIED").write_text(f"{epoch} {digest}\n")


def age(backup: Path) -> None:
    """Let a published backup be as old as `LONG_AGO`, twice: copies, each verified."""
    for epoch, stamp in LONG_AGO:
        copy = backup.with_name(stamp)
        shutil.copytree(backup, copy)
        _, told = (copy / "VERIFIED").read_text().split()
        (copy / "VERIFIED").write_text(f"{epoch} {told}\n")


def content(folder: Path) -> Mapping[str, str]:
    """Return every file that stands published below a backup folder, with its digest."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("[!.]*/**/*")
        if path.is_file() and path.name != "UPLOADED"
    }


def unverified(folder: Path) -> list[str]:
    """Return every published backup that is not whole; there must never be one."""
    return [
        str(place.relative_to(folder))
        for place in folder.glob("[!.]*/*")
        if not (place / "VERIFIED").is_file()
        or not process.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=place).ok
    ]
