"""A backup that somebody changed: a restore reads what it holds as data, never as commands.

Of this kind are all files of a backup that psql reads: its rules, `globals.sql`, and what
pg_restore writes of the database itself; the names that a bucket lists are of it too.
"""

from pathlib import Path

import pytest

from closeout.gaps.backup.probing import drill
from closeout.gaps.backup.probing.scripts import ScriptBench
from tests.support.backups import (
    DATABASE,
    back_up,
    databases,
    newest,
    reseal,
    restore,
    with_program,
    writable,
)

pytestmark = [pytest.mark.live]

PLACES = ("first", "last", "within")


def spoil(file: Path, command: str, place: str) -> None:
    """Put a command into a file of a backup, and let the backup's sums fit it."""
    text = file.read_text()
    first, rest = text.split(";\n", 1)
    writable(file).write_text(
        {
            "first": f"{command}\n{text}",
            "last": f"{text}{command}\n",
            "within": f"{first}; {command}\n{rest}",
        }[place]
    )
    reseal(file.parent)


@pytest.mark.parametrize("rule", ["content.sql", "sequences.sql", "views.sql"])
@pytest.mark.parametrize("place", PLACES)
def test_restore_carries_out_no_command_of_a_changed_backup(
    bench: ScriptBench, tmp_path: Path, place: str, rule: str
) -> None:
    """A rule with a shell command is refused by name with status 6, and nothing ran."""
    assert back_up(bench).ok
    mark = tmp_path / "ran"
    spoil(newest(bench) / rule, f"\\! touch {mark}", place)
    run = restore(bench, "--newest", DATABASE, "--into", "changed")
    assert not mark.exists()
    assert run.code == 6
    assert f"{rule} holds a command to psql" in run.message
    assert not {name for name in databases(bench) if "changed" in name or "restoring" in name}


def test_restore_carries_out_no_command_of_a_changed_rule(
    bench: ScriptBench, tmp_path: Path
) -> None:
    """The statements that the rule makes are read as the rule itself is."""
    assert back_up(bench).ok
    mark = tmp_path / "ran"
    rule = newest(bench) / "content.sql"
    made = f"SELECT chr(92) || '! touch {mark}'\n\\gexec\n"
    writable(rule).write_text(made + rule.read_text())
    reseal(rule.parent)
    assert restore(bench, "--newest", DATABASE, "--into", "changed").code == 6
    assert not mark.exists()


def test_globals_carry_out_no_command(bench: ScriptBench, tmp_path: Path) -> None:
    """`globals.sql` is restored by `--globals` and by every drill: both refuse it."""
    assert back_up(bench).ok
    mark = tmp_path / "ran"
    (roles,) = (bench.folder / "@globals").glob("*/globals.sql")
    spoil(roles, f"\\! touch {mark}", "last")
    with drill.workplace() as place:
        runs = [
            restore(bench, "--globals"),
            restore(bench, "--drill", RESTORE_SCRATCH=str(place)),
        ]
    assert not mark.exists()
    assert [run.code for run in runs] == [6, 6]
    assert all("globals.sql holds a command to psql" in run.message for run in runs)


def test_restore_wants_a_psql_that_can_be_held_to_statements(bench: ScriptBench) -> None:
    """An older psql would carry out what it reads: it is refused before it reads anything."""
    assert back_up(bench).ok
    programs = with_program(
        bench,
        "psql",
        f"""#!/bin/bash
for word in "$@"; do [[ $word != *restrict* ]] || exit 1; done
exec '{bench.server.bin}/psql' "$@"
""",
    )
    run = restore(bench, "--newest", DATABASE, "--into", "changed", PGBIN=str(programs))
    assert run.code == 3
    assert "has no \\restrict" in run.message
