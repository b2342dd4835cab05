"""Every fault that a night can bring: nothing half-done is published, nothing pruned, and told why.

Each starts from two verified backups that retention would prune if the run took itself for good.
docs/backup-faults.md lists which test holds which fault.
"""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from closeout import process
from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.buckets import BUCKET, Emulator, gcs_emulator, s3_emulator
from closeout.gaps.backup.probing.scripts import ScriptBench
from closeout.harness import postgres
from closeout.resources import BUNDLE
from tests.support import backups, steps
from tests.support.backups import (
    DATABASE,
    back_up,
    content,
    create,
    plant,
    restore,
    unverified,
    with_program,
)
from tests.support.monorepos import invoke
from tests.support.wires import answering, wire_to

pytestmark = [pytest.mark.live, pytest.mark.needs("rclone", "aws", "moto_server")]

BULKY = "bulky"
SCRIPT = drill.SCRIPTS / "backup-database.sh"
WOULD_PRUNE = {"BACKUP_RETENTION_DAYS": "1", "BACKUP_KEEP_VERIFIED": "1"}
ONCE = {"AWS_MAX_ATTEMPTS": "1"}
BY_RCLONE = ("rclone to s3", "rclone to gs")
CLIENTS = (*BY_RCLONE, "aws to s3")


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """Provide a server with the seeds and a database that does not compress."""
    with drill.workplace() as place, postgres.server(place) as running:
        drill.seed(running)
        create(
            running,
            BULKY,
            "CREATE TABLE noise AS SELECT n, (SELECT string_agg(decode(md5(n || '-' || m), 'hex'),"
            " ''::bytea) FROM generate_series(1, 64) AS m) AS bytes"
            " FROM generate_series(1, 16000) AS n",
        )
        yield running


@pytest.fixture(scope="module")
def stores() -> Iterator[Mapping[str, Emulator]]:
    """Provide one emulator of each cloud for the module."""
    with drill.workplace() as place, s3_emulator(place) as s3, gcs_emulator(place) as gcs:
        yield {"s3": s3, "gs": gcs}


@pytest.fixture(scope="module")
def made(server: postgres.Server) -> Iterator[Path]:
    """Provide a folder with two old verified backups of the database, and nothing else."""
    with drill.workplace() as place:
        bench = ScriptBench(
            server=server, scripts=drill.SCRIPTS, folder=place / "backups", scratch=place
        )
        run = back_up(bench)
        assert run.ok, run.message
        fresh = backups.newest(bench)
        backups.age(fresh)
        shutil.rmtree(fresh)
        shutil.rmtree(bench.folder / "@globals")
        yield bench.folder


@pytest.fixture
def bench(server: postgres.Server, made: Path, tmp_path: Path) -> ScriptBench:
    """Provide a copy of that folder, and the scripts."""
    shutil.copytree(made, tmp_path / "backups")
    return ScriptBench(
        server=server, scripts=drill.SCRIPTS, folder=tmp_path / "backups", scratch=tmp_path
    )


def client(
    stores: Mapping[str, Emulator], words: str, prefix: str
) -> tuple[Emulator, dict[str, str]]:
    """Return the emulator that `words` name, and settings for a place of the test's own there."""
    tool, _, scheme = words.split()
    emulator = stores[scheme]
    bucket = f"{scheme}://{BUCKET}/daily/{re.sub(r'[^a-z0-9]+', '-', prefix.lower())}"
    return emulator, emulator.settings() | ONCE | {
        "BACKUP_UPLOAD_TOOL": tool,
        "BACKUP_BUCKET": bucket,
    }


def sent_before(bench: ScriptBench, settings: Mapping[str, str]) -> None:
    """Mark the younger of the old backups as uploaded, so that less is left to send."""
    relative = f"{DATABASE}/{backups.LONG_AGO[1][1]}"
    (bench.folder / relative / "UPLOADED").write_text(f"{settings['BACKUP_BUCKET']}/{relative}\n")


def inside(emulator: Emulator, settings: Mapping[str, str]) -> dict[str, bytes]:
    """Return the objects below the place in the bucket, without its prefix."""
    prefix = settings["BACKUP_BUCKET"].rsplit("/", 1)[1] + "/"
    names = [name for name in emulator.names() if name.startswith(prefix)]
    return {name.removeprefix(prefix): emulator.content(name) for name in names}


@pytest.mark.parametrize(
    ("changed", "code", "told"),
    [
        ({"POSTGRES_PORT": "1"}, 3, "check POSTGRES_HOST, the port and the network"),
        ({"PGPASSWORD": "not-the-password"}, 3, "Check the password"),
        ({"BACKUP_DATABASES": "no_such_database"}, 1, "check BACKUP_DATABASES"),
        ({"BACKUP_MIN_FREE_MB": "99999999"}, 3, "make room"),
    ],
    ids=["server-down", "wrong-password", "missing-database", "no-room-at-first"],
)
def test_backup_that_cannot_begin_leaves_everything_as_it_was(
    bench: ScriptBench, changed: dict[str, str], code: int, told: str
) -> None:
    """The run ends non-zero and says what to do; no backup of the database comes or goes."""
    before = content(bench.folder)
    run = back_up(bench, **WOULD_PRUNE, **changed)
    after = {name: sum_ for name, sum_ in content(bench.folder).items() if name[0] != "@"}
    assert run.code == code
    assert told in run.message
    assert after == before
    assert unverified(bench.folder) == []


@pytest.mark.parametrize(
    ("program", "text", "told"),
    [
        (
            "pg_dump",
            '[[ "$*" == *--version* ]] && { echo "pg_dump (PostgreSQL) 9.6.24"; exit; }',
            "install a newer client",
        ),
        ("date", 'exec /bin/date --date="10 days" "$@"', "set the wrong one (NTP)"),
        ("date", 'exec /bin/date --date="10 days ago" "$@"', "set the wrong one (NTP)"),
    ],
    ids=["newer-server", "clock-jumped-ahead", "clock-jumped-back"],
)
def test_backup_refuses_a_newer_server_and_a_wrong_clock(
    bench: ScriptBench, program: str, text: str, told: str
) -> None:
    """Both are seen before a dump begins, and nothing is taken for old by a clock that is wrong."""
    before = content(bench.folder)
    folder = with_program(bench, program, f"#!/bin/bash\n{text}\n")
    run = back_up(bench, **WOULD_PRUNE, PGBIN=str(folder))
    assert run.code == 3
    assert told in run.message
    assert content(bench.folder) == before


def test_backup_refuses_to_run_before_its_own_past(bench: ScriptBench) -> None:
    """A backup of a time to come tells that a clock went back, and keeps retention off."""
    ahead = bench.folder / DATABASE / backups.LONG_AGO[1][1] / "VERIFIED"
    epoch, told = ahead.read_text().split()
    backups.writable(ahead).write_text(f"{int(epoch) + 20 * 365 * 86400} {told}\n")
    before = content(bench.folder)
    run = back_up(bench, **WOULD_PRUNE)
    assert run.code == 3
    assert "a time to come" in run.message
    assert content(bench.folder) == before


def test_backup_survives_a_dump_that_is_killed_midway(bench: ScriptBench) -> None:
    """A real pg_dump that dies by kill -9 in the middle is no backup."""
    folder = with_program(
        bench,
        "pg_dump",
        f"""#!/bin/bash
[[ "$*" == *--jobs* ]] || exec '{bench.server.bin}/pg_dump' "$@"
'{bench.server.bin}/pg_dump' "$@" &
until compgen -G 'dump/*.dat*' >/dev/null; do sleep 0.01; done
kill -KILL $!
wait $!
""",
    )
    before = content(bench.folder)
    run = bench.back_up(WOULD_PRUNE | {"BACKUP_DATABASES": BULKY, "PGBIN": str(folder)})
    assert run.code == 1
    assert "pg_dump ended with 137" in run.message
    assert "run again" in run.message
    assert not (bench.folder / BULKY).exists()
    assert content(bench.folder).items() >= before.items()
    assert not (bench.folder / ".partial").exists()


def test_backup_survives_a_disk_that_fills_up_midway(bench: ScriptBench) -> None:
    """A file system of 15 MB takes the first backup and fills up under the second.

    Where nothing may be mounted, a limit on the size of a file ends the dump in the same place.
    """
    settings = drill.connection(bench.server) | {
        "BACKUP_DIR": str(bench.folder),
        "BACKUP_MIN_FREE_MB": "0",
        **WOULD_PRUNE,
    }
    steps_ = f"""
list() {{
  (cd "$BACKUP_DIR" && find . -path ./.lock -o -type f -print0 | sort -z | xargs -0 sha256sum) >"$1"
}}
BACKUP_DATABASES={DATABASE} bash {SCRIPT} || exit 99
list {bench.scratch}/before
$LIMIT
BACKUP_DATABASES={BULKY} bash {SCRIPT}
code=$?
list {bench.scratch}/after
exit $code
"""
    mounting = f"mount -t tmpfs -o size=15m none '{bench.folder}' || exit 98\n"
    real = ["unshare", "--mount", "bash", "-c", mounting + steps_]
    run = process.run(real, env=settings | {"LIMIT": ":"}, deadline=90)
    if run.code in {1, 98} and "backup-database" not in run.err:
        limited = settings | {"LIMIT": "ulimit -f 2048"}
        run = process.run(["bash", "-c", "trap '' XFSZ\n" + steps_], env=limited, deadline=90)
    assert run.code == 1, run.err
    assert re.search("No space left on device|File too large", run.err), run.err
    assert f"make room in {bench.folder}" in run.err
    told = [json.loads(line) for line in run.out.splitlines()]
    assert [item["status"] for item in told if item["database"] == BULKY] == ["failed"]
    before, after = (
        {line for line in (bench.scratch / name).read_text().splitlines() if "@globals" not in line}
        for name in ("before", "after")
    )
    assert before == after
    assert any(DATABASE in line for line in after)


def test_backup_lets_only_one_of_two_runs_in(bench: ScriptBench) -> None:
    """The second ends at once with status 4; the first is not disturbed."""
    folder = with_program(
        bench,
        "pg_dump",
        f"""#!/bin/bash
[[ "$*" == *--jobs* ]] && until [[ -e '{bench.scratch}/go' ]]; do sleep 0.02; done
exec '{bench.server.bin}/pg_dump' "$@"
""",
    )
    settings = drill.connection(bench.server) | {
        "BACKUP_DIR": str(bench.folder),
        "BACKUP_DATABASES": DATABASE,
        "PGBIN": str(folder),
    }
    with subprocess.Popen(
        ["bash", SCRIPT],
        env=process.environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as first:
        limit = time.monotonic() + 30
        while not (bench.folder / ".partial" / DATABASE).exists():
            assert time.monotonic() < limit
            time.sleep(0.02)
        before = content(bench.folder)
        second = back_up(bench, **WOULD_PRUNE)
        assert content(bench.folder) == before
        (bench.scratch / "go").touch()
        assert first.wait(timeout=60) == 0
    assert second.code == 4
    assert "wait for it to end" in second.message
    assert len(drill.backups_of(bench.folder, DATABASE)) == 3


@pytest.mark.parametrize("words", BY_RCLONE)
def test_upload_cut_midway_is_taken_up_by_the_next_run(
    bench: ScriptBench, stores: Mapping[str, Emulator], words: str
) -> None:
    """The bucket never shows a half backup as verified, and the next run sends what is missing.

    Not by aws: this emulator of S3 keeps a body that was cut, which S3 itself throws away.
    """
    emulator, settings = client(stores, words, f"cut {words}")
    with wire_to(emulator.url, budget=60_000) as url:
        run = back_up(bench, **WOULD_PRUNE, **settings | {"BACKUP_ENDPOINT_URL": url})
    assert run.code == 5
    assert "The next run tries again" in run.message
    half = inside(emulator, settings)
    local = content(bench.folder)
    assert len(half) < len(local)
    assert len(drill.backups_of(bench.folder, DATABASE)) == 3
    time.sleep(1.05)  # folders are named by the second
    again = back_up(bench, **settings)
    assert again.ok, again.message
    whole = inside(emulator, settings)
    assert set(whole) == set(content(bench.folder))
    assert all(whole[name] == (bench.folder / name).read_bytes() for name in whole)


@pytest.mark.parametrize("words", CLIENTS)
def test_upload_arrives_whole(
    bench: ScriptBench, stores: Mapping[str, Emulator], words: str
) -> None:
    """Every file of every verified backup is there, byte by byte, and a second run agrees."""
    emulator, settings = client(stores, words, f"whole {words}")
    sent_before(bench, settings)
    run = back_up(bench, **settings)
    assert run.ok, run.message
    there = inside(emulator, settings)
    left_out = f"{DATABASE}/{backups.LONG_AGO[1][1]}/"
    wanted = {name for name in content(bench.folder) if not name.startswith(left_out)}
    assert set(there) == wanted
    assert all(there[name] == (bench.folder / name).read_bytes() for name in wanted)
    for marker in bench.folder.glob("*/*/UPLOADED"):
        marker.unlink()
    sent_before(bench, settings)
    time.sleep(1.05)  # folders are named by the second
    again = back_up(bench, **settings)
    assert again.ok, again.message


@pytest.mark.parametrize("words", CLIENTS)
def test_upload_that_is_changed_on_its_way_is_refused(
    bench: ScriptBench, stores: Mapping[str, Emulator], words: str
) -> None:
    """The sum that goes along does not fit, so no backup there is called verified."""
    emulator, settings = client(stores, words, f"changed {words}")
    sent_before(bench, settings)
    with wire_to(emulator.url, changes=(b"PGDMP", b"PGDMQ")) as url:
        run = back_up(bench, **WOULD_PRUNE, **settings | {"BACKUP_ENDPOINT_URL": url})
    assert run.code == 5
    there = inside(emulator, settings)
    assert not [name for name in there if name.startswith(DATABASE) and "VERIFIED" in name]
    assert len(drill.backups_of(bench.folder, DATABASE)) == 3


@pytest.mark.parametrize("words", CLIENTS)
def test_upload_overwrites_nothing(
    bench: ScriptBench, stores: Mapping[str, Emulator], words: str
) -> None:
    """An object of the same name and other content stays, and the run says that it failed."""
    emulator, settings = client(stores, words, f"kept {words}")
    sent_before(bench, settings)
    name = f"{DATABASE}/{backups.LONG_AGO[0][1]}/dump/toc.dat"
    planted = b"somebody else's"
    plant(emulator, f"{settings['BACKUP_BUCKET'].rsplit('/', 1)[1]}/{name}", planted)
    run = back_up(bench, **WOULD_PRUNE, **settings)
    assert run.code == 5
    assert f"{DATABASE}/{backups.LONG_AGO[0][1]} was not uploaded" in run.message
    there = inside(emulator, settings)
    assert there[name] == planted
    assert f"{DATABASE}/{backups.LONG_AGO[0][1]}/VERIFIED" not in there
    assert len(drill.backups_of(bench.folder, DATABASE)) == 3


@pytest.mark.parametrize("words", BY_RCLONE)
def test_upload_that_is_refused_keeps_everything_here(
    bench: ScriptBench, stores: Mapping[str, Emulator], words: str
) -> None:
    """A bucket that answers 403 costs neither the new backup nor an old one."""
    _, settings = client(stores, words, "refused")
    with answering(403) as (url, asked):
        run = back_up(bench, **WOULD_PRUNE, **settings | {"BACKUP_ENDPOINT_URL": url})
    assert run.code == 5
    assert asked
    assert "check the bucket, its permissions and the network" in run.message
    assert len(drill.backups_of(bench.folder, DATABASE)) == 3


@pytest.mark.parametrize("words", BY_RCLONE)
def test_upload_to_a_missing_bucket_keeps_everything_here(
    bench: ScriptBench, stores: Mapping[str, Emulator], words: str
) -> None:
    """No bucket is made, and nothing is pruned."""
    _, settings = client(stores, words, "x")
    bucket = f"{words[-2:]}://no-such-bucket/daily"
    run = back_up(bench, **WOULD_PRUNE, **settings | {"BACKUP_BUCKET": bucket})
    assert run.code == 5
    assert "check the bucket" in run.message
    assert len(drill.backups_of(bench.folder, DATABASE)) == 3


@pytest.mark.parametrize("words", BY_RCLONE)
def test_drill_says_when_the_bucket_cannot_be_read(
    bench: ScriptBench, stores: Mapping[str, Emulator], words: str
) -> None:
    """A drill without its bucket is a failed drill, and says where to look."""
    _, settings = client(stores, words, "x")
    tool = {"BACKUP_DOWNLOAD_TOOL": settings.pop("BACKUP_UPLOAD_TOOL")}
    with answering(403) as (url, _):
        run = drill.restore(
            ["--drill"],
            settings | tool | {"PGBIN": str(bench.server.bin), "BACKUP_ENDPOINT_URL": url},
        )
    assert run.code == 5
    assert "check the bucket, its permissions and the network" in run.message


def test_heartbeat_follows_success_only(bench: ScriptBench) -> None:
    """The address is fetched once after a good run, never after a bad one, and may be dead."""
    with answering(200) as (url, asked):
        good = back_up(bench, BACKUP_HEARTBEAT_URL=f"{url}/token-in-the-path")
        assert good.ok, good.message
        assert asked == ["/token-in-the-path"]
        bad = back_up(bench, PGPASSWORD="wrong", BACKUP_HEARTBEAT_URL=url)
        assert bad.code == 3
        assert len(asked) == 1
    time.sleep(1.05)  # folders are named by the second
    dead = back_up(bench, BACKUP_HEARTBEAT_URL=url)
    assert dead.code == 0
    assert "the heartbeat address did not answer" in dead.message


def test_metrics_are_text_that_prometheus_reads(bench: ScriptBench) -> None:
    """Both scripts write one family a name, with its type, whatever a database is called."""
    odd = 'tab\tand "quote"'
    create(bench.server, odd, "SELECT 1")
    run = bench.back_up({"BACKUP_METRICS_FILE": str(bench.scratch / "backup.prom")})
    assert run.ok, run.message
    with drill.workplace() as place:
        alone = {"RESTORE_SCRATCH": str(place), "RESTORE_METRICS_FILE": str(place / "drill.prom")}
        drilled = restore(bench, "--drill", str(backups.newest(bench)), **alone)
        assert drilled.ok, drilled.message
        text = (place / "drill.prom").read_text()
    text += (bench.scratch / "backup.prom").read_text()
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert {family.type for family in families} == {"gauge"}
    samples = {
        (sample.name, sample.labels.get("database")): sample.value
        for family in families
        for sample in family.samples
    }
    assert samples["closeout_backup_success", DATABASE] == 1
    assert samples["closeout_backup_success", 'tab and "quote"'] == 1
    assert samples["closeout_backup_exit_code", None] == 0
    assert samples["closeout_restore_drill_databases", None] == 1
    assert {event["database"] for event in run.events} >= {DATABASE, BULKY, odd, "@globals"}
    assert len(run.events) == len({event["database"] for event in run.events})


def test_drill_finds_a_corrupt_index(bench: ScriptBench) -> None:
    """Equal content can still stand in a broken index: pg_amcheck sees it, with status 9."""
    create(
        bench.server,
        "ordered",
        """CREATE FUNCTION public.rank(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE
             AS $$ SELECT CASE WHEN $1 < $2 THEN -1 WHEN $1 > $2 THEN 1 ELSE 0 END $$;
           CREATE OPERATOR CLASS ranked FOR TYPE int USING btree AS
             OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
             FUNCTION 1 public.rank(int, int);
           CREATE TABLE herd AS SELECT n FROM generate_series(1, 500) AS n;
           CREATE INDEX herd_rank ON herd (n ranked);""",
    )
    assert bench.back_up({"BACKUP_DATABASES": "ordered"}).ok
    change = bench.scratch / "change.sql"
    change.write_text(
        "CREATE OR REPLACE FUNCTION public.rank(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE"
        " AS $$ SELECT CASE WHEN $1 < $2 THEN 1 WHEN $1 > $2 THEN -1 ELSE 0 END $$"
    )
    folder = with_program(
        bench,
        "pg_restore",
        f"""#!/bin/bash
'{bench.server.bin}/pg_restore' "$@" || exit
for word in "$@"; do
  [[ $word != --dbname=* ]] || psql -X -q -d "${{word#--dbname=}}" -f '{change}'
done
""",
    )
    backup = str(drill.backups_of(bench.folder, "ordered")[-1])
    with drill.workplace() as place:
        shutil.copytree(folder, place / "programs", symlinks=True)
        alone = {"RESTORE_SCRATCH": str(place), "RESTORE_OWNERSHIP": "ignore"}
        good = restore(bench, "--drill", backup, **alone)
        bad = restore(bench, "--drill", backup, **alone, PGBIN=str(place / "programs"))
    assert good.ok, good.message
    assert good.events[-1]["amcheck"] == "ok"
    assert bad.code == 9
    assert "herd_rank" in bad.message
    assert "drill another backup" in bad.message


@pytest.mark.parametrize("what", ["backup", "bucket"])
def test_drill_of_own_backups_is_kept_as_evidence(
    bench: ScriptBench, stores: Mapping[str, Emulator], tmp_path: Path, what: str
) -> None:
    """`invoke backup.drill --of` takes a backup or a bucket, and records RTO and RPO."""
    _, settings = client(stores, "rclone to gs", "own")
    run = back_up(bench, **(settings if what == "bucket" else {}))
    assert run.ok, run.message
    root = tmp_path / "farmiq"
    (root / "cloud-layer").mkdir(parents=True)
    shutil.copytree(drill.SCRIPTS, root / "scripts")
    of = {
        "backup": str(bench.folder / DATABASE / backups.LONG_AGO[1][1]),
        "bucket": settings["BACKUP_BUCKET"],
    }[what]
    with drill.workplace() as place:
        told = invoke(
            tmp_path / "home",
            *("backup.drill", "--root", str(root), "--of", of),
            **settings,
            PGBIN=str(bench.server.bin),
            RESTORE_SCRATCH=str(place),
            RESTORE_OWNERSHIP="ignore",
        )
    assert told.returncode == 0, told.stdout + told.stderr
    found = (tmp_path / "home" / "reports").glob("*/evidence/*.json")
    (kept,) = {path.resolve() for path in found}
    (item,) = json.loads(kept.read_text())["evidence"]
    assert item["criterion"] == "9.4"
    assert re.search(r"1 databases and 2 tables equal .* RTO \d+ s, RPO \d+ s", item["observed"])
    assert ("EMULATOR" in item["observed"]) == (what == "bucket")


def test_drill_says_that_it_could_not_ask_pg_amcheck(bench: ScriptBench) -> None:
    """Without the program the drill still compares, and its evidence says what is missing."""
    backup = bench.folder / DATABASE / backups.LONG_AGO[1][1]
    with drill.workplace() as place:
        lacking = place / "programs"
        lacking.mkdir()
        for program in bench.server.bin.iterdir():
            if program.name != "pg_amcheck":
                (lacking / program.name).symlink_to(program)
        run = restore(bench, "--drill", str(backup), RESTORE_SCRATCH=str(place), PGBIN=str(lacking))
    assert run.ok, run.message
    assert run.events[-1]["amcheck"] == "not run: pg_amcheck is not installed"
    assert run.events[0]["tables_equal"] == 2


@pytest.mark.parametrize("scenario", steps.SAMPLED, ids=lambda scenario: scenario.name)
def test_script_killed_at_a_step_leaves_whole_things_only(
    server: postgres.Server, scenario: steps.Scenario
) -> None:
    """A few steps of each script; `nox -s backup_faults` takes every one."""
    with drill.workplace() as place:
        walked = steps.walk(scenario, server, place, {}, every=50)
    assert walked.killed > 2
    assert walked.faults == []


def test_every_fault_of_the_table_has_its_test() -> None:
    """The table in the documents names tests that are there."""
    table = (BUNDLE / "docs" / "backup-faults.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", table)
    missing = [
        f"{place}::{name}"
        for place, name in named
        if f"def {name}(" not in (BUNDLE / place).read_text()
    ]
    assert len(named) >= 18
    assert missing == []
