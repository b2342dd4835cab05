"""The scripts on real servers: round trips, and everything that can go wrong on the way."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from closeout import process
from closeout.errors import CloseoutError
from closeout.gaps.backup.probing import bucket_questions, drill, scripts
from closeout.gaps.backup.probing.scripts import ScriptBench
from closeout.model import ProbeContext
from tests.support.backups import (
    DATABASE,
    back_up,
    create,
    databases,
    newest,
    restore,
    with_program,
    writable,
)

pytestmark = [pytest.mark.live]


def test_drill_restores_every_table_and_sees_one_changed_cell() -> None:
    """The whole way on two servers: identical content, and a change is not overlooked."""
    with drill.workplace() as place:
        report = drill.drill(place)
    assert report.ok, list(report.lines())
    assert {item.name for item in report.databases} == set(drill.SEEDS)
    assert report.rto_seconds > 0
    assert report.rpo_seconds >= 0
    assert report.amcheck == "ok"


def test_restore_matches_the_manifest_while_writers_are_active(bench: ScriptBench) -> None:
    """Dump and manifest are of one snapshot, whatever is written meanwhile."""
    argv = [bench.server.bin / "psql", "-X", "-q", "-f", "-"]
    writes = 3000 * (
        "UPDATE readings SET value = value + 1 WHERE id % 50 = floor(random() * 50);\n"
        "INSERT INTO readings (id, taken_at) SELECT max(id) + 1, now() FROM readings;\n"
    )
    with subprocess.Popen(
        argv,
        env=process.environment(bench.server.environment(DATABASE)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as writer:
        assert writer.stdin is not None
        writer.stdin.write(writes.encode())
        writer.stdin.flush()
        run = back_up(bench)
        busy = writer.poll() is None
        writer.stdin.close()
        writer.terminate()
    assert run.ok, run.message
    assert busy
    restored = restore(bench, "--newest", DATABASE, "--into", "under_writers")
    assert restored.ok, restored.message
    assert restored.events[0]["tables_equal"] == 2


def test_manifest_tells_values_apart_that_sql_calls_equal(bench: ScriptBench) -> None:
    """The sums see every changed byte: of equal numbers, padded or folded texts, signed zeros."""
    sql = """CREATE COLLATION any_case (
               provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE cells (n numeric, padded char(5), folded text COLLATE any_case,
               zero float8, span interval, list int[], doc jsonb, moment timestamptz);
             CREATE TABLE without_columns ();
             INSERT INTO without_columns DEFAULT VALUES;
             INSERT INTO cells VALUES (1.0, 'a', 'a', 0, '1 day', '{1,2}', '{"a": 1}', 'epoch')"""
    create(bench.server, "equal_values", sql)
    assert bench.back_up({"BACKUP_DATABASES": "equal_values"}).ok
    rule = drill.backups_of(bench.folder, "equal_values")[-1] / "content.sql"
    argv = [bench.server.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-1", "-f", rule]

    def sums() -> str:
        seen = process.run(argv, env=bench.server.environment("equal_values"))
        assert seen.ok, seen.err
        return next(line for line in seen.out.splitlines() if line.startswith("public.cells|"))

    seen = [sums()]
    for change in (
        *("n = 1.00", "padded = 'a b'", "folded = 'A'", "zero = '-0'", "span = '24 hours'"),
        *("list = '{2,1}'", "doc = '{}'", "moment = 'epoch'::timestamptz + '1us'", "n = NULL"),
    ):
        drill.ask(bench.server, "equal_values", f"UPDATE cells SET {change}")  # noqa: S608 - the words above
        seen.append(sums())
    assert len(set(seen)) == len(seen)


def test_restore_ends_with_seven_when_one_cell_differs(bench: ScriptBench) -> None:
    """A restored copy that is not the backup never gets the target's name."""
    assert back_up(bench).ok
    change = bench.scratch / "change.sql"
    change.write_text("UPDATE readings SET value = value + 1 WHERE id = 7")
    folder = with_program(
        bench,
        "pg_restore",
        f"""#!/bin/bash
'{bench.server.bin}/pg_restore' "$@" || exit
for word in "$@"; do
  [[ $word == --dbname=* ]] || continue
  psql -X -q -d "${{word#--dbname=}}" -f '{change}'
done
""",
    )
    run = restore(bench, "--newest", DATABASE, "--into", "meddled", PGBIN=str(folder))
    assert run.code == 7
    assert "public.readings" in run.message
    assert not {name for name in databases(bench) if "meddled" in name or "restoring" in name}


def test_restore_refuses_a_database_that_holds_something(bench: ScriptBench) -> None:
    """Without --replace nothing is touched; with it, what was there is kept aside."""
    assert back_up(bench).ok
    assert restore(bench, "--newest", DATABASE, "--into", "occupied").ok
    refused = restore(bench, "--newest", DATABASE, "--into", "occupied")
    assert refused.code == 8
    assert restore(bench, "--newest", DATABASE, "--into", "occupied", "--replace").ok
    kept = [name for name in databases(bench) if name.endswith("_occupied")]
    assert len(kept) == 1


def test_restore_detects_a_flipped_byte(bench: ScriptBench) -> None:
    """The sums are checked before anything is restored."""
    assert back_up(bench).ok
    data = writable(max((newest(bench) / "dump").iterdir(), key=lambda path: path.stat().st_size))
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    assert restore(bench, "--newest", DATABASE, "--into", "x").code == 6


def test_restore_detects_a_file_cut_short(bench: ScriptBench) -> None:
    """Half a file is not a file."""
    assert back_up(bench).ok
    data = writable(newest(bench) / "dump" / "toc.dat")
    data.write_bytes(data.read_bytes()[:-50])
    assert restore(bench, "--newest", DATABASE, "--into", "x").code == 6


@pytest.mark.parametrize("lost", ["content.tsv", "SHA256SUMS"])
def test_restore_detects_a_lost_manifest(bench: ScriptBench, lost: str) -> None:
    """Without its manifest a backup is not trusted."""
    assert back_up(bench).ok
    folder = newest(bench)
    (folder / lost).unlink()
    assert restore(bench, str(folder), "--into", "x").code == 6


@pytest.mark.needs("age")
def test_restore_opens_an_encrypted_dump_with_the_right_key_only(bench: ScriptBench) -> None:
    """The dump on disk is unreadable, and a wrong key says so."""
    keys = []
    for name in ("right", "wrong"):
        made = process.run(["age-keygen", "-o", bench.scratch / name])
        assert made.ok, made.err
        keys.append((bench.scratch / name).read_text().split("public key: ")[1].split()[0])
    run = back_up(bench, BACKUP_AGE_RECIPIENT=keys[0])
    assert run.ok, run.message
    assert not (newest(bench) / "dump").exists()
    arguments = ("--newest", DATABASE, "--into", "decrypted")
    assert restore(bench, *arguments).code == 2
    wrong = restore(bench, *arguments, RESTORE_AGE_IDENTITY=str(bench.scratch / "wrong"))
    assert wrong.code == 6
    right = restore(bench, *arguments, RESTORE_AGE_IDENTITY=str(bench.scratch / "right"))
    assert right.ok, right.message


@pytest.mark.parametrize(
    "question",
    [
        scripts.makes_verified_backup,
        scripts.server_down,
        scripts.wrong_password,
        scripts.missing_database,
        scripts.failed_dump_prunes_nothing,
    ],
)
def test_probe_passes_on_the_projects_scripts(
    bench: ScriptBench, question: scripts.Question
) -> None:
    """Each question that the probes put is answered well by the scripts that the fix installs."""
    seen = question(bench)
    assert seen.passed, seen.observed


def test_probe_fails_on_a_tree_without_scripts(tmp_path: Path) -> None:
    """Before the fix every probe is red, and none is skipped."""
    context = ProbeContext(root=tmp_path, scratch=tmp_path / "s")
    assert scripts.ask(context, scripts.server_down).passed is False
    assert scripts.restore_drill(context).passed is False


@pytest.mark.needs("moto_server", "rclone")
@pytest.mark.parametrize(
    "question",
    [
        bucket_questions.uploads,
        bucket_questions.uploads_to_gcs,
        bucket_questions.upload_refused,
        bucket_questions.drills_from_s3,
        bucket_questions.drills_from_gcs,
    ],
)
def test_upload_probe_names_its_emulator(bench: ScriptBench, question: scripts.Question) -> None:
    """An upload to an emulator passes as what it is."""
    seen = question(bench)
    assert seen.passed, seen.observed
    assert "EMULATOR" in seen.observed


def test_backup_prunes_down_to_the_floor_of_verified_ones(bench: ScriptBench) -> None:
    """Age alone deletes nothing: the newest verified backups stay, and rubbish is not counted."""
    for _ in range(3):
        assert back_up(bench).ok
        time.sleep(1.05)  # folders are named by the second
    (bench.folder / DATABASE / "29990101T000000Z").mkdir()
    before = drill.backups_of(bench.folder, DATABASE)
    run = back_up(bench, BACKUP_RETENTION_DAYS="0", BACKUP_KEEP_VERIFIED="2")
    after = drill.backups_of(bench.folder, DATABASE)
    assert run.ok, run.message
    assert len(after) == 2
    assert after[0] == before[-1]
    assert "not a verified backup" in run.message


def test_backup_refuses_to_start_without_room(bench: ScriptBench) -> None:
    """A disk that would fill up is told beforehand."""
    run = back_up(bench, BACKUP_MIN_FREE_MB="99999999")
    assert run.code == 3
    assert "make room" in run.message
    assert bench.published() == ()


def test_backup_publishes_nothing_when_a_dump_is_read_back_with_an_error(
    bench: ScriptBench,
) -> None:
    """A dump that cannot be read back is not a backup, whatever pg_dump said."""
    folder = with_program(
        bench,
        "pg_dump",
        f"""#!/bin/bash
'{bench.server.bin}/pg_dump' "$@" || exit
[[ -f dump/toc.dat ]] || exit 0
for file in dump/*.dat.*; do head -c 100 "$file" >cut && mv cut "$file"; done
""",
    )
    run = back_up(bench, PGBIN=str(folder))
    assert run.code == 1
    assert "cannot be read back" in run.message
    assert drill.backups_of(bench.folder, DATABASE) == ()


@pytest.mark.parametrize(
    ("program", "text", "told"),
    [
        ("sync", "echo 'sync: error syncing: Input/output error' >&2; exit 1", "flushed to disk"),
        ("sync", "[[ $1 != VERIFIED ]]", "look after the disk"),
        ("dd", '[[ $1 != */content.tsv ]] || echo >>"${1#if=}"', "changed while it was written"),
    ],
    ids=["disk-refuses-a-write", "disk-refuses-the-seal", "disk-holds-something-else"],
)
def test_backup_publishes_nothing_that_the_disk_does_not_hold(
    bench: ScriptBench, program: str, text: str, told: str
) -> None:
    """What was summed up in memory is flushed, dropped from the cache and read from the disk."""
    folder = with_program(bench, program, f"#!/bin/bash\n{text}\n")
    run = back_up(bench, PGBIN=str(folder))
    assert run.code == 1
    assert told in run.message
    assert drill.backups_of(bench.folder, DATABASE) == ()


def test_backup_killed_in_mid_dump_publishes_whole_backups_only(bench: ScriptBench) -> None:
    """After kill -9 whatever stands under a final name is verified, and the next run succeeds."""
    settings = drill.connection(bench.server) | {"BACKUP_DIR": str(bench.folder)}
    with subprocess.Popen(
        ["bash", drill.SCRIPTS / "backup-database.sh"],
        env=process.environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as script:
        time.sleep(0.4)  # between two steps too, where tests.support.steps kills at one
        os.kill(script.pid, signal.SIGKILL)
    for place in bench.folder.glob("*/*"):
        if place.parent.name != ".partial":
            checked = process.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=place)
            assert checked.ok, checked.err
            assert (place / "VERIFIED").is_file()
    # What the killed run had started may still hold the lock for a moment; a new run waits for it.
    process.run(["flock", bench.folder / ".lock", "true"], deadline=30)
    time.sleep(1.05)
    run = back_up(bench)
    assert run.ok, run.message
    assert not (bench.folder / ".partial").exists()


def test_backup_told_to_stop_ends_its_children_and_cleans_up(bench: ScriptBench) -> None:
    """TERM, which a cluster sends first, leaves neither a process nor a half-made folder."""
    hanging = with_program(
        bench,
        "pg_dump",
        f"""#!/bin/bash
[[ "$*" == *--jobs* ]] || exec '{bench.server.bin}/pg_dump' "$@"
trap 'sleep 0.5; exit 1' TERM
sleep 60 & wait
""",
    )
    settings = drill.connection(bench.server) | {
        "BACKUP_DIR": str(bench.folder),
        "BACKUP_DATABASES": DATABASE,
        "PGBIN": str(hanging),
    }
    with subprocess.Popen(
        ["bash", drill.SCRIPTS / "backup-database.sh"],
        env=process.environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as script:
        limit = time.monotonic() + 20
        while not (bench.folder / ".partial" / DATABASE / "content.tsv").exists():
            assert time.monotonic() < limit
            time.sleep(0.05)
        script.terminate()
        assert script.wait(timeout=20) == 143
    assert not (bench.folder / ".partial").exists()
    assert process.run(["flock", "--nonblock", bench.folder / ".lock", "true"]).ok
    assert drill.backups_of(bench.folder, DATABASE) == ()


def test_restore_drills_by_itself_as_an_ordinary_user(bench: ScriptBench) -> None:
    """The drill of the cluster needs the script, the backups and PostgreSQL, and no Python."""
    assert bench.back_up().ok
    with drill.workplace() as place:
        shutil.copytree(bench.folder, place / "backups")
        shutil.copytree(drill.SCRIPTS, place / "scripts")
        (place / "scratch").mkdir()
        if os.geteuid() == 0:
            for path in (place, *place.rglob("*")):
                os.chown(path, 65534, 65534)
        run = process.run(
            ["bash", place / "scripts/restore-database.sh", "--drill"],
            env={
                "BACKUP_DIR": str(place / "backups"),
                "PGBIN": str(bench.server.bin),
                "RESTORE_SCRATCH": str(place / "scratch"),
                "RESTORE_OWNERSHIP": "ignore",
            },
            user=65534 if os.geteuid() == 0 else None,
            deadline=60,
        )
    assert run.ok, run.err
    assert '"event": "drill", "status": "ok"' in run.out


def test_drill_says_what_failed(tmp_path: Path) -> None:
    """A script that fails ends the drill with its own message, not with a traceback."""
    (tmp_path / "backup-database.sh").write_text("echo 'no room left' >&2; exit 3\n")
    with drill.workplace() as place, pytest.raises(CloseoutError, match="no room left"):
        drill.drill(place, scripts=tmp_path)
