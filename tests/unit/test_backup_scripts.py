"""The two scripts as text and as programs that refuse what they cannot do; no server is needed."""

import hashlib
import os
import re
import shutil
from pathlib import Path

import pytest

from closeout import process
from closeout.gaps.backup.probing import drill

BACKUP = drill.SCRIPTS / "backup-database.sh"
RESTORE = drill.SCRIPTS / "restore-database.sh"
HEALTHY = {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "1", "POSTGRES_USER": "nobody"}


@pytest.fixture
def programs(tmp_path: Path) -> str:
    """Provide stand-ins for the client programs, for refusals that come before any is called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("psql", "pg_dump", "pg_dumpall", "pg_restore", "pg_isready"):
        (folder / name).write_text("#!/bin/bash\nexit 2\n")
        (folder / name).chmod(0o755)
    return str(folder)


def settings_read_by(script: Path) -> set[str]:
    """Return every variable that comes from outside: by its prefix, or since nothing makes it."""
    text = script.read_text()
    code = re.sub(r"(?s)<<'(TEXT|SQL)'.*?^\1$", "", text, flags=re.MULTILINE)
    read = set(re.findall(r"\$\{[#!]?([A-Z][A-Z0-9_]*)", code))
    made = set(re.findall(r"(?<![\w${])([A-Z][A-Z0-9_]*)(?:\[[^]]*\])?\+?=", code))
    made |= set(re.findall(r"\b(?:coproc|read -r -d '' -a|mapfile -t) ([A-Z]+)", code))
    made |= {f"{name}_PID" for name in re.findall(r"\bcoproc ([A-Z]+)", code)}
    made |= {name for names in re.findall(r"\blocal ([^\n]*)", code) for name in names.split()}
    made |= set(re.findall(r"(?:exec |\s)\{([A-Z]+)\}[<>]", code))
    kept = set(re.findall(r"\b([A-Z][A-Z0-9_]*)=[^\n]*\$\{\1\b", code))
    kept |= {name for name in read if name.startswith(("BACKUP_", "RESTORE_", "POSTGRES_"))}
    return ((read - made) | (kept & read)) - {
        "PATH",
        "PWD",
        "SECONDS",
        "UID",
        "BASH_REMATCH",
        "REPLY",
    }


def verified(folder: Path, files: dict[str, bytes]) -> Path:
    """Make a folder that looks like a published backup of these files."""
    folder.mkdir(parents=True)
    lines = []
    for name, content in sorted(files.items()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    sums = "".join(lines).encode()
    (folder / "SHA256SUMS").write_bytes(sums)
    (folder / "VERIFIED").write_text(f"1700000000 {hashlib.sha256(sums).hexdigest()}\n")
    return folder


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("script", [BACKUP, RESTORE])
def test_script_passes_every_shellcheck_rule(script: Path) -> None:
    """Shellcheck with all its optional checks finds nothing."""
    checked = process.run(["shellcheck", "-o", "all", script])
    assert checked.ok, checked.out


@pytest.mark.parametrize("script", [BACKUP, RESTORE])
def test_script_is_executable_and_explains_itself(script: Path) -> None:
    """`--help` names every setting that the script reads, and every exit code's meaning."""
    assert os.access(script, os.X_OK)
    told = process.run([script, "--help"])
    assert told.ok
    assert "Exit codes" in told.out
    missing = sorted(name for name in settings_read_by(script) if name not in told.out)
    assert missing == []


@pytest.mark.parametrize(("script", "known"), [(BACKUP, "BACKUP_DIR"), (RESTORE, "RESTORE_JOBS")])
def test_settings_are_told_from_the_scripts_own_names(script: Path, known: str) -> None:
    """What the comparison with `--help` reads: settings of every kind, and no name of our own."""
    read = settings_read_by(script)
    assert {
        known,
        "BACKUP_DIR",
        "PGBIN",
        "PGCONNECT_TIMEOUT",
        "POSTGRES_HOST",
        "AWS_REGION",
    } <= read
    assert not {"REPLY", "STAMP", "JOBS", "LOCK", "MAINTENANCE"} & read


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"POSTGRES_HOST": ""}, "POSTGRES_HOST is not set"),
        ({"POSTGRES_USER": ""}, "POSTGRES_USER is not set"),
        ({"BACKUP_DIR": ""}, "BACKUP_DIR is not set"),
        ({"BACKUP_JOBS": "two"}, "BACKUP_JOBS must be a whole number"),
        ({"BACKUP_RETENTION_DAYS": "08"}, "BACKUP_RETENTION_DAYS must be a whole number"),
        ({"BACKUP_KEEP_VERIFIED": "0"}, "the last good backup stays"),
        ({"BACKUP_BUCKET": "farmiq-backups"}, "must begin with s3:// or gs://"),
        ({"BACKUP_BUCKET": "s3://b", "BACKUP_UPLOAD_TOOL": "gcloud"}, "no upload tool"),
        ({"BACKUP_AGE_RECIPIENT": "password"}, "age"),
        ({"POSTGRES_PASSWORD_FILE": "/no/such/file"}, "cannot be read"),
    ],
)
def test_backup_refuses_a_wrong_setting_before_it_starts(
    tmp_path: Path, programs: str, changed: dict[str, str], told: str
) -> None:
    """A setting that is missing or wrong ends with status 2 and says which one."""
    settings = HEALTHY | {"BACKUP_DIR": str(tmp_path / "b"), "PGBIN": programs} | changed
    run = drill.back_up(settings, deadline=20)
    assert run.code == 2
    assert told in run.message
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(("script", "asked"), [(BACKUP, "sums"), (RESTORE, "sums .")])
def test_sums_are_the_same_with_openssl_and_without(
    tmp_path: Path, script: Path, asked: str
) -> None:
    """Where OpenSSL is not installed, sha256sum writes the very same lines."""
    place = verified(tmp_path / "orders", {"dump/toc.dat": b"x", "dump/1.dat": b"y", "a.json": b""})
    (place / "VERIFIED").unlink()
    alone = tmp_path / "bin"
    alone.mkdir()
    for name in ("find", "xargs", "sha256sum", "sed", "sort"):
        (alone / name).symlink_to(str(shutil.which(name)))
    function = "/^sums() /,/^}/p"
    line = f'. <(/bin/sed -n "{function}" "{script}"); command -v openssl; JOBS=2 {asked}'
    paths = {"with": os.environ["PATH"], "without": str(alone)}
    told = {
        how: process.run(["/bin/bash", "-c", line], cwd=place, env={"PATH": path, "LC_ALL": "C"})
        for how, path in paths.items()
    }
    listed = (place / "SHA256SUMS").read_text()
    assert told["without"].out == listed
    assert told["with"].out.splitlines()[1:] == listed.splitlines(), told["with"].err
    assert told["with"].out.startswith("/")


def test_restore_refuses_a_server_that_the_client_cannot_restore_into(
    tmp_path: Path, programs: str
) -> None:
    """A pg_restore of 17 fails half-way on a server of 16; it is told before anything is made."""
    verified(tmp_path / "b" / "orders" / "20200101T000000Z", {"dump/toc.dat": b"x"})
    (Path(programs) / "psql").write_text("#!/bin/bash\necho 160009\n")
    client = Path(programs) / "pg_restore"
    settings = HEALTHY | {"BACKUP_DIR": str(tmp_path / "b"), "PGBIN": programs}
    told = []
    for version in ("17.2", "16.9"):
        client.write_text(f"#!/bin/bash\necho 'pg_restore (PostgreSQL) {version}'\n")
        told.append(drill.restore(["--newest", "orders"], settings, deadline=20))
    newer, same = told
    assert newer.code == 3
    assert "pg_restore 17 cannot restore into PostgreSQL 16; restore into" in newer.message
    assert "cannot restore into" not in same.message


def test_backup_says_that_a_second_run_holds_the_lock(tmp_path: Path, programs: str) -> None:
    """Two runs never overlap: the second ends with status 4 at once."""
    folder = tmp_path / "b"
    folder.mkdir()
    settings = HEALTHY | {"BACKUP_DIR": str(folder), "PGBIN": programs}
    argv = ["flock", folder / ".lock", "bash", BACKUP]
    held = process.run(argv, env=settings, deadline=20)
    assert held.code == 4
    assert "another run holds" in held.err
    assert drill.back_up(settings, deadline=20).code == 3


def test_backup_clears_what_a_killed_run_left_and_nothing_else(
    tmp_path: Path, programs: str
) -> None:
    """Unfinished work of an earlier run goes; a published backup stays."""
    folder = tmp_path / "b"
    kept = verified(folder / "orders" / "20200101T000000Z", {"dump/toc.dat": b"x"})
    (folder / ".partial" / "orders").mkdir(parents=True)
    settings = HEALTHY | {"BACKUP_DIR": str(folder), "PGBIN": programs}
    assert drill.back_up(settings, deadline=20).code == 3
    assert not (folder / ".partial").exists()
    assert (kept / "dump/toc.dat").is_file()


@pytest.mark.parametrize(
    "arguments", [[], ["--nonsense"], ["--into"], ["s3://bucket/daily"], ["--drill", "x"]]
)
def test_restore_refuses_arguments_it_does_not_know(arguments: list[str]) -> None:
    """Nothing is guessed: status 2, and a hint at what to type."""
    run = drill.restore(arguments, HEALTHY, deadline=20)
    assert run.code == 2
    assert run.message


def test_names_of_databases_become_safe_folders() -> None:
    """No name of a database can leave the backup folder or pass for the roles' one."""
    assert drill.folder_name("cloud_telemetry") == "cloud_telemetry"
    assert drill.folder_name("../x") == "%2E.%2Fx"
    assert drill.folder_name("@globals") == "%40globals"
    assert drill.folder_name("hühner") == "h%C3%BChner"


def test_scripts_carry_no_secret_in_argv() -> None:
    """Passwords go to the programs by environment or file, never as an argument."""
    for script in (BACKUP, RESTORE):
        text = script.read_text()
        assert "--password" not in text.replace("--no-password", "")
        assert "PGPASSWORD=" not in text.replace("  PGPASSWORD=$", "").replace("${PGPASSWORD", "")


def test_names_in_a_bucket_lead_nowhere_else(tmp_path: Path, programs: str) -> None:
    """Only <database>/<time> is taken from a bucket's list; `..` would be a folder of ours."""
    aws = tmp_path / "aws"
    aws.write_text(
        """#!/bin/bash
case "$*" in
  *list-objects*) printf '%s\\n' daily/../../VERIFIED daily/orders/../VERIFIED ;;
  *) echo "fetched: $*" >&2; exit 1 ;;
esac
"""
    )
    aws.chmod(0o755)
    (Path(programs) / "psql").write_text("#!/bin/bash\necho 160009\n")
    (Path(programs) / "pg_restore").write_text("#!/bin/bash\necho 'x (PostgreSQL) 16.9'\n")
    bucket = {"BACKUP_BUCKET": "s3://farm/daily", "BACKUP_DOWNLOAD_TOOL": "aws", "PGBIN": programs}
    with drill.workplace() as place:
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RESTORE_SCRATCH": str(place)}
        run = drill.restore(["--newest", ".."], HEALTHY | bucket | path, deadline=20)
        assert "fetched" not in run.message
        assert "no verified backup" in run.message
        assert not list(place.iterdir())
