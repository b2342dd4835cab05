"""A walk over what somebody types: every command's help, every kind of typo, chains of tasks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from closeout import __version__
from closeout.cli import namespace
from closeout.console import nearest
from closeout.console.layout import WIDTH
from closeout.errors import CloseoutError
from closeout.gaps import GAPS
from tests.support.builders import snapshot, write_files
from tests.support.monorepos import MAKERS_TASKS, invoke, reference_copy
from tests.support.strangers import SHOP

HOME = Path(__file__).resolve().parents[2]


def test_invoke_alone_lists_our_tasks_by_group(tmp_path: Path) -> None:
    """Nobody who looks for a task is shown Invoke's own options first."""
    done = invoke(
        tmp_path,
    )
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    rooms = {name.partition(".")[0] for name in namespace(HOME).task_names}
    listed = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert rooms <= listed.keys()
    assert "undo" in done.stdout
    assert [line for line in lines if len(line) > 80] == []


def test_closeout_tells_its_version() -> None:
    """As `--version` does everywhere."""
    words = [sys.executable, "-m", "closeout", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == f"closeout {__version__}\n"


@pytest.mark.parametrize(
    ("words", "reference", "likely"),
    [
        ("fix.cros", "task-unknown", "fix.cors"),
        ("detect.al", "task-unknown", "detect.all"),
        ("--help fix.cros", "task-unknown", "fix.cors"),
        ("fix.cors --dryrun", "option-unknown", "--dry-run"),
        ("fix.cors --rot x", "option-unknown", "--root"),
        ("fix.all --only cros --root {root}", "gap-unknown", "cors"),
        ("fix.cors --root", "usage", ""),
        ("fix.cors fix.sql --root nowhere", "root-missing", ""),
        ("fix.sql --root {root} fix.undo --root {other} fix.cors", "root-ambiguous", ""),
    ],
)
def test_typo_of_a_task_gets_the_nearest_name_and_writes_nothing(
    tmp_path: Path, words: str, reference: str, likely: str
) -> None:
    """Exit code 2, and three lines that say what to type."""
    root, other = reference_copy(tmp_path / "root"), tmp_path / "other"
    shutil.copytree(root, other)
    before = snapshot(root)
    done = invoke(tmp_path / "home", *words.format(root=root, other=other).split())
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {reference}\n  ")
    assert f"hint: name {likely}, if you mean that; " in done.stderr or not likely
    assert max(len(line) for line in done.stderr.splitlines()) <= WIDTH
    assert snapshot(root) == before
    assert not (tmp_path / "home/build").exists()


@pytest.mark.parametrize(
    ("words", "likely"),
    [("prob", "probe"), ("gate dbtt", "dbt"), ("probe --pyton x --python y", "--python")],
)
def test_typo_of_a_subcommand_gets_the_nearest_name(words: str, likely: str) -> None:
    """The other door, the same answer."""
    argv = [sys.executable, "-m", "closeout", *words.split()]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"hint: name {likely}, if you mean that; " in done.stderr
    assert max(len(line) for line in done.stderr.splitlines()) <= WIDTH


def test_typo_of_a_session_gets_the_nearest_name() -> None:
    """A name that Nox knows passes; the words after `--` are nobody's sessions."""
    known = ("live_probes", "coverage_gates", "tests")
    nearest.assert_sessions(known, ["-s", "live_probes", "tests", "--", "--root", "x"])
    nearest.assert_sessions(known, ["--list"])
    with pytest.raises(CloseoutError, match="no session live_probs") as caught:
        nearest.assert_sessions(known, ["-s", "tests", "live_probs"])
    assert caught.value.hint.startswith("name live_probes")


def test_nox_leaves_with_two_for_a_session_that_is_not_there() -> None:
    """The project's own noxfile asks."""
    nox = [sys.executable, "-m", "nox", "-s", "live_probs"]
    done = subprocess.run(nox, cwd=HOME, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "name live_probes" in done.stderr


def test_one_root_holds_for_every_task_of_a_call(tmp_path: Path) -> None:
    """Both gaps are closed on the tree that was named; what is unproven stops no second task."""
    root = reference_copy(tmp_path / "farmiq")
    home = tmp_path / "home"
    done = invoke(home, "fix.vision-tests", "fix.sql", "--root", str(root))
    assert done.returncode == 4, done.stderr
    assert done.stdout.count(f"monorepo: {root} (--root)") == 2
    assert not (home / "build").exists()
    assert "9 other gaps, not asked for: " in done.stdout
    open_now = invoke(home, "detect.all", "--only", "sql,vision-tests", "--root", str(root))
    assert open_now.returncode == 0, open_now.stdout


def test_tasks_of_one_name_in_two_groups_both_run(tmp_path: Path) -> None:
    """Invoke drops the second where it takes both for one: same name, same options."""
    words = ("patches.check", "render.check")
    done = invoke(tmp_path, *words, tasks=MAKERS_TASKS, PYTHONPATH=str(HOME))
    assert done.stdout.startswith("patches/: "), done.stderr
    # Nothing is rendered in a home of the test's own: the second task says so.
    assert "invoke render.all makes them anew" in done.stdout


def test_fix_of_one_gap_is_judged_by_it_alone(tmp_path: Path) -> None:
    """Nine open gaps that nobody asked about are one line, and no reason to fail."""
    root = reference_copy(tmp_path / "farmiq")
    done = invoke(tmp_path / "home", "fix.sql", "--root", str(root), "--quiet")
    assert done.returncode == 4, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("3 criteria: ")


@pytest.mark.parametrize("name", sorted(namespace(HOME).task_names))
def test_every_task_s_help_is_shown(tmp_path: Path, name: str) -> None:
    """With its options, every line within the screen."""
    done = invoke(tmp_path, name, "--help")
    assert done.returncode == 0
    assert "--json" in done.stdout
    assert os.linesep in done.stdout


WALK = (
    ("detect.all", 1),
    ("fix.headers --dry-run", 4),
    ("fix.external-secrets", 0),
    ("fix.sql", 0),
    ("fix.all", 4),
    ("detect.all", 0),
    ("report.build", 0),
    ("report.build --strict", 4),
    ("report.verify", 0),
    ("audit.all --quick", 4),
    ("secrets.inventory", 0),
    ("secrets.verify", 0),
    ("dbt.compile", 0),
    ("backup.run", 2),
    ("backup.restore --what nothing", 2),
    ("backup.drill --of nowhere", 0),
    ("certs.check", 4),
    ("certs.dev", 0),
    ("certs.renew", 0),
    ("certs.rotate --step trust", 0),
    ("certs.cluster --out made", 0),
    ("fix.undo", 0),
)
"""Commands on the small shop, each on the tree as the one before leaves it, and their codes."""


def test_every_task_leaves_with_its_documented_code_and_one_line_where_it_is_quiet(
    tmp_path: Path,
) -> None:
    """As docs/ci.md says: 0 settled, 1 gaps left, 2 unusable input, 4 unproven."""
    root = write_files(tmp_path / "shop", SHOP)
    slugs = {f"fix.{gap.slug}" for gap in GAPS}
    assert {words.split()[0] for words, _ in WALK} | slugs == set(namespace(HOME).task_names)
    wrong = []
    for words, code in WALK:
        done = invoke(tmp_path / "home", *words.split(), "--root", str(root), "--quiet")
        told = done.stdout.splitlines()
        # One line, or one sentence on two.
        if (done.returncode, done.stderr) != (code, "") or len(told) not in {1, 2}:
            wrong.append((words, done.returncode, done.stdout, done.stderr))
    assert wrong == []


LOGGING_KUBECTL = """#!/bin/sh
echo "E1129 13:59:$$ memcache.go:265] couldn't get current server API group list" >&2
echo "The connection to the server localhost:8080 was refused" >&2
exit 1
"""


def test_verify_without_a_cluster_is_one_line_and_says_that_the_report_is_older(
    tmp_path: Path,
) -> None:
    """Seven questions have one cause; the evidence is not in the report that was sealed before."""
    root, home, programs = reference_copy(tmp_path / "farmiq"), tmp_path / "home", tmp_path / "bin"
    programs.mkdir()
    kubectl = programs / "kubectl"
    kubectl.write_text(LOGGING_KUBECTL)
    kubectl.chmod(0o755)
    named = ("--root", str(root))
    path = f"{programs}:/usr/bin:/bin"
    done = invoke(home, "secrets.verify", *named, PATH=path)
    assert done.returncode == 4, done.stderr
    lines = done.stdout.splitlines()[1:]
    assert len(lines) == 2, done.stdout
    assert re.fullmatch(r"not run: [5-9] probes, The connection to the server .* refused", lines[0])
    assert lines[1].startswith("cluster: ")
    assert invoke(home, "report.build", *named).returncode == 1, "the gaps are open"
    again = invoke(home, "secrets.verify", *named, PATH=path)
    assert "invoke report.build takes it in" in again.stdout
