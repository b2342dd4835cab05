"""Put a tree's backup scripts to throw-away servers, healthy and broken."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.gaps.backup.probing import drill
from closeout.harness import postgres
from closeout.model import Measure, Observation, ProbeContext

_DATABASE = "cloud_telemetry"
_DEADLINE = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptBench:
    """A seeded server and a folder for backups, with the tree's own scripts."""

    server: postgres.Server
    scripts: Path
    folder: Path
    scratch: Path

    def back_up(self, extra: Mapping[str, str] | None = None) -> drill.ScriptRun:
        """Run the tree's backup script, with `extra` over the healthy settings."""
        settings = {
            **drill.connection(self.server),
            "BACKUP_DIR": str(self.folder),
            **(extra or {}),
        }
        return drill.back_up(settings, scripts=self.scripts, deadline=_DEADLINE)

    def published(self) -> tuple[str, ...]:
        """Return every published file, relative to the folder and sorted."""
        return tuple(
            sorted(
                str(path.relative_to(self.folder))
                for path in self.folder.rglob("*")
                if path.is_file() and path.name not in {".lock", "UPLOADED"}
            )
        )


Question = Callable[[ScriptBench], Observation]


def ask(context: ProbeContext, question: Question) -> Observation:
    """Return the answer to `question` on a fresh server, or that there is no script to ask."""
    scripts = context.root / "scripts"
    if not (scripts / "backup-database.sh").is_file():
        return Observation(
            passed=False,
            expected="the tree has scripts/backup-database.sh",
            observed="there is no such file",
            command="bash scripts/backup-database.sh",
        )
    if postgres.binaries() is None:
        return Observation(
            passed=None,
            expected="a PostgreSQL server to back up",
            observed="no PostgreSQL on this machine",
            command="bash scripts/backup-database.sh",
        )
    context.scratch.mkdir(parents=True, exist_ok=True)
    with postgres.server(context.scratch) as server:
        drill.seed(server)
        bench = ScriptBench(
            server=server,
            scripts=scripts,
            folder=context.scratch / "backups",
            scratch=context.scratch,
        )
        return question(bench)


def makes_verified_backup(bench: ScriptBench) -> Observation:
    """Ask for a backup of every database, each with its sums and its manifest."""
    run = bench.back_up()
    found = {name: drill.backups_of(bench.folder, name) for name in drill.SEEDS}
    whole = [
        name
        for name, folders in found.items()
        if folders and all((folders[-1] / part).is_file() for part in ("SHA256SUMS", "content.tsv"))
    ]
    return judged(
        run,
        passed=run.ok and len(whole) == len(drill.SEEDS),
        expected=f"exit code 0 and a verified backup of {len(drill.SEEDS)} databases",
        observed=f"exit code {run.code}, verified backups of {len(whole)} databases",
    )


def server_down(bench: ScriptBench) -> Observation:
    """Ask what is published when nobody listens."""
    with socket.socket() as closed:
        closed.bind((postgres.HOST, 0))
        run = bench.back_up({"POSTGRES_PORT": str(closed.getsockname()[1])})
    return _refused(bench, run)


def wrong_password(bench: ScriptBench) -> Observation:
    """Ask what is published when the password is wrong."""
    return _refused(bench, bench.back_up({"PGPASSWORD": "not-the-password"}))


def missing_database(bench: ScriptBench) -> Observation:
    """Ask whether one database that fails keeps another from being backed up."""
    run = bench.back_up({"BACKUP_DATABASES": f"no_such_database {_DATABASE}"})
    made = len(drill.backups_of(bench.folder, _DATABASE))
    wrong = len(drill.backups_of(bench.folder, "no_such_database"))
    return judged(
        run,
        passed=run.code not in {0, None} and made == 1 and wrong == 0,
        expected="a status that is not 0, the good database published, the missing one not",
        observed=f"exit code {run.code}, {made} backup of the good one, {wrong} of the missing one",
    )


def failed_dump_prunes_nothing(bench: ScriptBench) -> Observation:
    """Ask whether old backups outlive a night in which the dump fails."""
    first = bench.back_up({"BACKUP_DATABASES": _DATABASE})
    before = bench.published()
    time.sleep(1.1)  # folders are named by the second
    run = bench.back_up(
        {
            "BACKUP_DATABASES": _DATABASE,
            "BACKUP_RETENTION_DAYS": "0",
            "BACKUP_KEEP_VERIFIED": "1",
            "PGBIN": str(failing_programs(bench.server, bench.scratch / "broken")),
        }
    )
    kept = set(before) <= set(bench.published())
    made = len(drill.backups_of(bench.folder, _DATABASE))
    return judged(
        run,
        passed=first.ok and run.code not in {0, None} and kept and made == 1,
        expected="a status that is not 0, and the earlier backup as it was",
        observed=f"exit code {run.code}, earlier files {'kept' if kept else 'LOST'}, "
        f"{made} backup published",
    )


def restore_drill(context: ProbeContext) -> Observation:
    """Carry out a drill with the tree's scripts: back up, restore elsewhere, compare."""
    expected = "every table identical on a second server, and one changed cell detected"
    command = "invoke backup.drill"
    scripts = context.root / "scripts"
    if not (scripts / "restore-database.sh").is_file():
        observed = "there is no scripts/restore-database.sh"
        return Observation(passed=False, expected=expected, observed=observed, command=command)
    try:
        report = drill.drill(context.scratch, scripts=scripts)
    except CloseoutError as error:
        passed = None if error.reference.startswith("postgres-") else False
        return Observation(
            passed=passed, expected=expected, observed=error.message, command=command
        )
    return Observation(
        passed=report.ok,
        expected=expected,
        observed="; ".join(report.lines()),
        command=command,
        measures=(
            Measure(name="RPO", value=drill.NIGHTLY_RPO_SECONDS, unit="s"),
            Measure(name="RTO", value=round(report.rto_seconds, 2), unit="s"),
            Measure(name="backup", value=round(report.backup_seconds, 2), unit="s"),
            Measure(name="rows", value=sum(item.rows for item in report.databases), unit=""),
        ),
    )


def failing_programs(server: postgres.Server, folder: Path) -> Path:
    """Make a folder of client programs in which pg_dump begins, and then fails."""
    folder.mkdir(parents=True, exist_ok=True)
    for program in server.bin.iterdir():
        if program.name != "pg_dump":
            (folder / program.name).symlink_to(program)
    # The version has to come from the real one, or the run would end before it dumps.
    broken = folder / "pg_dump"
    broken.write_text(
        f"""#!/bin/bash
[[ "$*" == *--version* ]] && exec '{server.bin}/pg_dump' --version
for word in "$@"; do
  case $word in --file=dump) mkdir -p dump && printf 'PGDMP' >dump/toc.dat ;; esac
done
echo 'pg_dump: error: the connection to the server was lost' >&2
exit 1
"""
    )
    broken.chmod(0o755)
    return folder


def _refused(bench: ScriptBench, run: drill.ScriptRun) -> Observation:
    left = bench.published() if bench.folder.exists() else ()
    return judged(
        run,
        passed=run.code not in {0, None} and not left and bool(run.message),
        expected="a status that is not 0, a message, and nothing published",
        observed=f"exit code {run.code}, {len(left)} files published",
    )


def judged(
    run: drill.ScriptRun,
    *,
    passed: bool,
    expected: str,
    observed: str,
    script: str = "backup-database.sh",
) -> Observation:
    """Return what was seen, with the script's last word where it is not what was expected."""
    last = run.message.splitlines()[-1:] or ["no message"]
    return Observation(
        passed=passed,
        expected=expected,
        observed=observed if passed else f"{observed}; {last[0][:300]}",
        command=f"bash scripts/{script}",
    )
