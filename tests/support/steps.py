"""Kill the backup scripts at every step: the steps come from running the scripts themselves.

A first run writes down each line that bash is about to carry out. Then one run a line is killed
there by kill -9, with every process it had started, and what stands is judged; the next run has
to succeed. A new line in a script is a new step without anybody listing it.
"""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from closeout import process
from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.buckets import BUCKET, Emulator
from closeout.gaps.backup.probing.scripts import ScriptBench
from closeout.harness import postgres
from tests.support import backups
from tests.support.backups import DATABASE

_DEADLINE = 120.0
_TRACER = r"""
case ${0##*/} in
  backup-database.sh | restore-database.sh)
    set -o functrace
    if [[ -n ${STEPS_FILE:-} ]]; then
      trap 'printf "%s\n" "${LINENO}" >>"${STEPS_FILE}"' DEBUG
    else
      trap '[[ ${LINENO} != "${KILL_AT}" ]] || {
        read -r _ _ _ _ group _ <"/proc/${BASHPID}/stat"
        [[ ${group} == "$$" ]] || kill -KILL -- "-$$"
        kill -KILL -- "-${group}"
      }' DEBUG
    fi
    ;;
esac
"""
"""Sourced by bash before the script, through BASH_ENV; the script itself is not changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a scenario plays."""

    server: postgres.Server
    place: Path
    emulators: Mapping[str, Emulator]

    @property
    def folder(self) -> Path:
        """Return the folder of the backups."""
        return self.place / "backups"

    @property
    def kept(self) -> Path:
        """Return what that folder is made from before each run."""
        return self.place / "kept"

    def settings(self) -> dict[str, str]:
        """Return the healthy settings."""
        return drill.connection(self.server) | {
            "BACKUP_DIR": str(self.folder),
            "BACKUP_DATABASES": DATABASE,
            "RESTORE_SCRATCH": str(self.place),
            "RESTORE_OWNERSHIP": "ignore",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way through a script, and what has to hold whenever it is killed on it.

    `reset` restores the beginning, `judge` and `ended` yield faults: after the kill, and after
    the next run, which is not killed.
    """

    name: str
    script: str
    arguments: tuple[str, ...]
    settings: Callable[[Stage], Mapping[str, str]]
    prepare: Callable[[Stage], None]
    reset: Callable[[Stage], None]
    judge: Callable[[Stage], Iterator[str]]
    ended: Callable[[Stage], Iterator[str]]


@dataclass(slots=True, kw_only=True)
class Walk:
    """How a scenario went: the lines it has, how many were killed, and every fault seen."""

    lines: tuple[int, ...]
    killed: int = 0
    missed: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def walk(  # noqa: PLR0913 - a scenario, its stage, and which steps of it
    scenario: Scenario,
    server: postgres.Server,
    place: Path,
    emulators: Mapping[str, Emulator],
    *,
    every: int = 1,
    known: frozenset[int] = frozenset(),
) -> Walk:
    """Kill the scenario at every `every`-th of its lines but the `known` ones."""
    stage = Stage(server=server, place=place, emulators=emulators)
    (place / "tracer").write_text(_TRACER)
    scenario.prepare(stage)
    scenario.reset(stage)
    _next_second(stage)
    trace = place / "trace"
    first = _run(scenario, stage, {"STEPS_FILE": str(trace)})
    lines = tuple(dict.fromkeys(int(line) for line in trace.read_text().split()))
    seen = Walk(lines=lines)
    if first.returncode != 0:
        seen.faults.append(f"{scenario.name}: the run that is traced ended with {first.stderr}")
    for line in [line for line in lines if line not in known][::every]:
        scenario.reset(stage)
        for left in place.glob("restore.*"):
            shutil.rmtree(left)  # told once, by the step that left it
        ended = _run(scenario, stage, {"KILL_AT": str(line)})
        if ended.returncode == -signal.SIGKILL:
            seen.killed += 1
        else:
            seen.missed.append(line)
        where = f"{scenario.name}, killed at line {line}"
        seen.faults += [f"{where}: {fault}" for fault in scenario.judge(stage)]
        _next_second(stage)
        again = _run(scenario, stage, {})
        if again.returncode != 0:
            seen.faults.append(f"{where}: the next run ended with {again.stderr[-400:]}")
        seen.faults += [f"{where}, then run again: {fault}" for fault in scenario.ended(stage)]
    return seen


def _run(
    scenario: Scenario, stage: Stage, more: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    settings = dict(scenario.settings(stage)) | dict(more)
    if more:
        settings["BASH_ENV"] = str(stage.place / "tracer")
    return subprocess.run(
        ["bash", drill.SCRIPTS / scenario.script, *scenario.arguments],
        env=process.environment(settings),
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        start_new_session=True,
        check=False,
    )


def _next_second(stage: Stage) -> None:
    """Wait where this second's name is taken: folders are named by the second."""
    while any(stage.folder.glob(time.strftime("*/%Y%m%dT%H%M%SZ", time.gmtime()))):
        time.sleep(0.05)


# The backup.


def _keep_old_ones(stage: Stage) -> None:
    bench = ScriptBench(
        server=stage.server, scripts=drill.SCRIPTS, folder=stage.kept, scratch=stage.place
    )
    run = backups.back_up(bench)
    assert run.ok, run.message
    fresh = backups.newest(bench)
    backups.age(fresh)
    shutil.rmtree(fresh)


def _bring_back(stage: Stage) -> None:
    shutil.rmtree(stage.folder, ignore_errors=True)
    shutil.copytree(stage.kept, stage.folder)


def _pruning(stage: Stage) -> dict[str, str]:
    return stage.settings() | {
        "BACKUP_RETENTION_DAYS": "1",
        "BACKUP_KEEP_VERIFIED": "1",
        "BACKUP_METRICS_FILE": str(stage.place / "metrics"),
    }


def _published_whole(stage: Stage) -> Iterator[str]:
    yield from (f"{name} is published unfinished" for name in backups.unverified(stage.folder))
    standing = {path.parent.name for path in (stage.folder / DATABASE).glob("*/VERIFIED")}
    old = {stamp for _, stamp in backups.LONG_AGO}
    if not standing - old and standing != old:
        yield f"{old - standing} was pruned and nothing new stands"


def _next_backup_done(stage: Stage) -> Iterator[str]:
    yield from _published_whole(stage)
    if (stage.folder / ".partial").exists():
        yield "unfinished work is left"


# The upload. Where it goes changes with every reset, so that each begins with an empty place.


def _uploading(tool: str, scheme: str) -> Callable[[Stage], dict[str, str]]:
    def settings(stage: Stage) -> dict[str, str]:
        emulator = stage.emulators[scheme]
        place = (stage.place / "upload-place").read_text()
        return (
            _pruning(stage)
            | emulator.settings()
            | {
                "BACKUP_UPLOAD_TOOL": tool,
                "BACKUP_BUCKET": f"{scheme}://{BUCKET}/daily/{place}",
                "AWS_MAX_ATTEMPTS": "1",
            }
        )

    return settings


def _bring_back_for_upload(stage: Stage) -> None:
    _bring_back(stage)
    place = f"{stage.place.name}-{time.monotonic_ns()}"
    (stage.place / "upload-place").write_text(place)


def _uploaded_whole(scheme: str, *, all_of_it: bool) -> Callable[[Stage], Iterator[str]]:
    def judge(stage: Stage) -> Iterator[str]:
        yield from _published_whole(stage)
        emulator = stage.emulators[scheme]
        prefix = (stage.place / "upload-place").read_text() + "/"
        there = {key.removeprefix(prefix) for key in emulator.names() if key.startswith(prefix)}
        for marker in sorted(stage.folder.glob("[!.]*/*/VERIFIED")):
            folder = str(marker.parent.relative_to(stage.folder))
            wanted = {name for name in backups.content(stage.folder) if name.startswith(folder)}
            if f"{folder}/VERIFIED" not in there:
                if all_of_it:
                    yield f"{folder} is not in the bucket"
            elif not wanted <= there:
                yield f"{folder} is called verified in the bucket without {wanted - there}"

    return judge


def _with_key(stage: Stage) -> None:
    key = stage.place / "age.key"
    made = process.run(["age-keygen", "-o", key])
    assert made.ok, made.err
    _keep_old_ones(stage)


def _recipient(stage: Stage) -> str:
    return re.findall("age1[a-z0-9]+", (stage.place / "age.key").read_text())[0]


def _encrypting(stage: Stage) -> dict[str, str]:
    return _pruning(stage) | {"BACKUP_AGE_RECIPIENT": _recipient(stage)}


def _discovering(stage: Stage) -> dict[str, str]:
    settings = _pruning(stage)
    del settings["BACKUP_DATABASES"]
    return settings | {"BACKUP_HEARTBEAT_URL": "http://127.0.0.1:9/"}


# The restore over a database that holds something.


def _keep_one(stage: Stage) -> None:
    settings = stage.settings() | {"BACKUP_DIR": str(stage.kept)}
    if (stage.place / "age.key").exists():
        settings["BACKUP_AGE_RECIPIENT"] = _recipient(stage)
    run = drill.back_up(settings)
    assert run.ok, run.message
    if not drill.ask(stage.server, "postgres", _NAMED.format("farm_before")).strip():
        backups.create(stage.server, "farm_before", "CREATE TABLE before_only AS SELECT 1 AS n")


def _keep_one_encrypted(stage: Stage) -> None:
    made = process.run(["age-keygen", "-o", stage.place / "age.key"])
    assert made.ok, made.err
    _keep_one(stage)


_NAMED = "SELECT datname FROM pg_database WHERE datname LIKE '{}'"


def _bring_target_back(stage: Stage) -> None:
    _bring_back(stage)
    found = drill.ask(
        stage.server,
        "postgres",
        "SELECT datname FROM pg_database"
        " WHERE datname IN ('farm') OR datname ~ '^(before|restoring)_'",
    )
    words: list[str | Path] = [stage.server.bin / "psql", "-X", "-q"]
    for name in found.split():
        words += ["-c", f'DROP DATABASE "{name}" WITH (FORCE)']
    words += ["-c", "CREATE DATABASE farm TEMPLATE farm_before"]
    done = process.run(words, env=stage.server.environment())
    assert done.ok, done.err


def _holding(stage: Stage, database: str) -> str:
    return drill.ask(
        stage.server,
        database,
        "SELECT to_regclass('before_only') IS NOT NULL, to_regclass('readings') IS NOT NULL",
    ).strip()


def _target_is_old_or_new(stage: Stage) -> Iterator[str]:
    if backups.content(stage.folder) != backups.content(stage.kept):
        yield "the backups changed"
    held = _holding(stage, "farm")
    if held == "t\tf":
        return
    if held != "f\tt":
        yield f"the target is neither old nor new: {held}"
        return
    query = next((stage.kept / DATABASE).glob("*/content.sql"))
    expected = query.with_name("content.tsv").read_text()
    if sorted(drill.ask(stage.server, "farm", query.read_text()).split("\n")) != sorted(
        expected.split("\n")
    ):
        yield "the restored content differs"
    aside = drill.ask(stage.server, "postgres", _NAMED.format("before\\_%")).split()
    if "t\tf" not in {_holding(stage, name) for name in aside}:
        yield "what was there before is not kept aside"


def _next_restore_done(stage: Stage) -> Iterator[str]:
    yield from _target_is_old_or_new(stage)
    if _holding(stage, "farm") != "f\tt":
        yield "the target is not the backup"
    yield from _nothing_left(stage)


def _nothing_left(stage: Stage) -> Iterator[str]:
    left = [path.name for path in stage.place.glob("restore.*")]
    if left:
        yield f"{left} is left in the scratch folder"
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and str(stage.place) in str((entry / "cwd").readlink()):
                yield f"process {entry.name} is left"


def _decrypting(stage: Stage) -> dict[str, str]:
    return stage.settings() | {"RESTORE_AGE_IDENTITY": str(stage.place / "age.key")}


# The drill.


def _backups_as_they_were(stage: Stage) -> Iterator[str]:
    if backups.content(stage.folder) != backups.content(stage.kept):
        yield "the backups changed"


def _drilling(stage: Stage) -> dict[str, str]:
    return stage.settings() | {"RESTORE_METRICS_FILE": str(stage.place / "drill")}


def _keep_in_bucket(scheme: str) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        _keep_one(stage)
        _bring_back_for_upload(stage)
        _next_second(stage)
        run = drill.back_up(_uploading("rclone", scheme)(stage) | {"BACKUP_RETENTION_DAYS": "9"})
        assert run.ok, run.message

    return prepare


def _drilling_from(tool: str, scheme: str) -> Callable[[Stage], dict[str, str]]:
    def settings(stage: Stage) -> dict[str, str]:
        found = _drilling(stage) | _uploading(tool, scheme)(stage)
        del found["BACKUP_DIR"]
        return found | {"BACKUP_DOWNLOAD_TOOL": tool}

    return settings


def _backup(
    name: str, settings: Callable[[Stage], Mapping[str, str]], prepare: Callable[[Stage], None]
) -> Scenario:
    return Scenario(
        name=name,
        script="backup-database.sh",
        arguments=(),
        settings=settings,
        prepare=prepare,
        reset=_bring_back,
        judge=_published_whole,
        ended=_next_backup_done,
    )


def _upload(tool: str, scheme: str) -> Scenario:
    return Scenario(
        name=f"upload by {tool} to {scheme}",
        script="backup-database.sh",
        arguments=(),
        settings=_uploading(tool, scheme),
        prepare=_keep_old_ones,
        reset=_bring_back_for_upload,
        judge=_uploaded_whole(scheme, all_of_it=False),
        ended=_uploaded_whole(scheme, all_of_it=True),
    )


def _restore(
    name: str,
    arguments: Sequence[str],
    settings: Callable[[Stage], Mapping[str, str]],
    prepare: Callable[[Stage], None],
) -> Scenario:
    return Scenario(
        name=name,
        script="restore-database.sh",
        arguments=(*arguments, "--into", "farm", "--replace"),
        settings=settings,
        prepare=prepare,
        reset=_bring_target_back,
        judge=_target_is_old_or_new,
        ended=_next_restore_done,
    )


def _drill(
    name: str,
    settings: Callable[[Stage], Mapping[str, str]],
    prepare: Callable[[Stage], None],
) -> Scenario:
    return Scenario(
        name=name,
        script="restore-database.sh",
        arguments=("--drill",),
        settings=settings,
        prepare=prepare,
        reset=_bring_back,
        judge=_backups_as_they_were,
        ended=_nothing_left,
    )


_NEWEST = ("--newest", DATABASE)

SAMPLED = (
    _backup("backup with pruning", _pruning, _keep_old_ones),
    _restore("restore over a database", _NEWEST, Stage.settings, _keep_one),
)
"""The plain ways, of which the suite takes a few steps."""

SCENARIOS = (
    *SAMPLED,
    _backup("encrypted backup", _encrypting, _with_key),
    _backup("backup of all databases", _discovering, _keep_old_ones),
    _upload("rclone", "s3"),
    _upload("aws", "s3"),
    _upload("rclone", "gs"),
    _restore("restore of an encrypted backup", _NEWEST, _decrypting, _keep_one_encrypted),
    _drill("drill", _drilling, _keep_one),
    _drill("drill by rclone from s3", _drilling_from("rclone", "s3"), _keep_in_bucket("s3")),
    _drill("drill by aws from s3", _drilling_from("aws", "s3"), _keep_in_bucket("s3")),
    _drill("drill by rclone from gs", _drilling_from("rclone", "gs"), _keep_in_bucket("gs")),
)
"""Every way through the scripts that this machine can go."""
