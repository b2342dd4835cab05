"""What commands print: lines for people, or one JSON document, and never both on stdout."""

from __future__ import annotations

import ast
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import closeout
import tools
from closeout.cli import namespace
from closeout.cli.error_handler import guarded
from closeout.console import output, progress
from closeout.errors import CloseoutError, ExitCode
from tests.support.monorepos import MAKERS_TASKS, invoke, reference_copy

SCHEMA = json.loads(
    (resources.files("closeout") / "formats/schemas/result.schema.json").read_text()
)
PACKAGE = Path(closeout.__file__).parent
TOOLS = Path(tools.__file__).parent
PROGRAMS = (PACKAGE, TOOLS, TOOLS.parent / "tests" / "fuzz", TOOLS.parent / "tests" / "drift")
"""Everything that speaks to people by way of `output`: ours, and what our makers run."""
MODULES = [module for folder in PROGRAMS for module in sorted(folder.rglob("*.py"))]

GAP = re.compile(r"[ \d]\d  .+: [1-9]\d* places?(?: \(\d+ .+\))?(?:, \d+ files?)?")
FILE = re.compile(r"  [ +~!] \S+(?:  \([a-z, ]+\))?")
PLACE = re.compile(r" {4,9}(?:[1-9]\d*)?  (?:[\dMD]+\.\d+ ?)+ +\S.*")
"""The lines of open places; docs/ci.md promises them, and the problem matcher reads them."""
VERDICT = re.compile(r"[ \d]\d  .{46} [ \d]{6} [ \d]{6}  [A-Z]+")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the reference monorepo that commands may write to."""
    return reference_copy(tmp_path_factory.mktemp("telling") / "farmiq")


def _document(shown: str) -> dict[str, Any]:
    assert shown.count("\n") == 1, "one document, on one line"
    document = json.loads(shown)
    jsonschema.validate(document, SCHEMA)
    assert isinstance(document, dict)
    return document


def test_every_step_of_a_close_out_is_one_json_document_with_the_same_code(
    tmp_path: Path, tree: Path
) -> None:
    """Tasks in one call write one document each; people read the same on stderr."""
    home = tmp_path / "home"
    root = ("--root", str(tree))
    steps = (
        (("detect.all", "--only", "sql"), {"places", "not_judged"}, 1),
        (("fix.sql", "--dry-run"), {"plan", "report", "derived"}, 4),
        (("fix.sql",), {"plan", "report", "run"}, 4),
        (("report.verify",), {"verified"}, 0),
        (("fix.undo",), {"undone"}, 0),
        (("secrets.inventory",), {"secrets"}, 1),
        (("secrets.verify",), {"sessions"}, 4),
        (("report.build", "--strict"), {"report", "run"}, 1),
    )
    for words, parts, code in steps:
        done = invoke(home, *words, *root, "--json")
        document = _document(done.stdout)
        result = document["result"]
        assert isinstance(result, dict)
        assert result.keys() >= {"monorepo", *parts}, words
        assert (document["command"], document["exit_code"]) == (words[0], code)
        assert done.returncode == code, done.stderr
        assert "monorepo: " in done.stderr


def test_commands_on_the_project_itself_are_json_documents_too(tmp_path: Path) -> None:
    """They work on no monorepo, so their documents name none."""
    steps = (
        (("certs.check",), {"folder", "certificates"}, 4),
        (("certs.dev", "--dry-run"), {"folder", "written", "kept"}, 0),
        (("render.check",), {"compared"}, 1),
    )
    for words, parts, code in steps:
        done = invoke(
            tmp_path / "home", *words, "--json", tasks=MAKERS_TASKS, PYTHONPATH=str(TOOLS.parent)
        )
        document = _document(done.stdout)
        assert document["result"].keys() == parts, words
        assert done.returncode == code, done.stderr


def test_an_error_is_part_of_the_document_and_printed_for_people_too(tmp_path: Path) -> None:
    """A machine reads the reference, a person the hint."""
    done = invoke(tmp_path / "home", "detect.all", "--root", "nowhere", "--json")
    error = _document(done.stdout)["error"]
    assert isinstance(error, dict)
    assert error["reference"] == "root-missing"
    assert f"hint: {error['hint']}" in done.stderr
    assert done.returncode == 2


def test_the_other_door_gives_the_same_document(tmp_path: Path) -> None:
    """`python -m closeout` and `invoke` share the boundary."""
    done = subprocess.run(
        [sys.executable, "-m", "closeout", "init", "--root", str(tmp_path), "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    document = _document(done.stdout)
    assert document["command"] == "init"
    assert document["outcome"] == "SETTLED"
    assert "wrote tasks.py" in done.stderr


def test_every_task_takes_json_and_every_part_it_gives_is_in_the_schema(tmp_path: Path) -> None:
    """A part that the schema does not know would make the document invalid."""
    tasks = namespace(tmp_path)
    without = [
        name
        for name in tasks.task_names
        if "json" not in {arg.name for arg in tasks[name].get_arguments()}
    ]
    assert without == []
    known = SCHEMA["properties"]["result"]["properties"]
    given = {
        node.args[0].value
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr) in {"give", "add"}
        and len(node.args) == 2
        and isinstance(node.args[0], ast.Constant)
    }
    assert given - set(known) == set()
    assert set(known) - given == set()


def test_lines_for_people_keep_their_documented_shapes(tmp_path: Path, tree: Path) -> None:
    """A grep that works today works tomorrow; without a terminal there is no colour or progress."""
    home = tmp_path / "home"
    found = invoke(home, "detect.all", "--root", str(tree))
    lines = found.stdout.splitlines()
    assert lines[0] == f"monorepo: {tree} (--root)"
    assert re.fullmatch(r"10 gaps of 10 with \d+ places open in \d+ files; 0 not judged", lines[1])
    assert re.fullmatch(r"\d+ places open, 0 not judged", lines[-1])
    groups = lines[2 : lines.index("left open, and what mends it:")]
    shapes = (re.compile(""), GAP, FILE, PLACE)
    assert [line for line in groups if not any(one.fullmatch(line) for one in shapes)] == []
    planned = invoke(home, "fix.all", "--dry-run", "--root", str(tree))
    table = planned.stdout[planned.stdout.index("    gap ") :].splitlines()
    rows = [line for line in table if VERDICT.fullmatch(line)]
    assert len(rows) == 10
    # A command stays whole on its line, so that it can be copied.
    told = [*lines, *planned.stdout.splitlines()]
    commands = re.compile(r"  \S.*--root|monorepo: |" + FILE.pattern)
    assert [line for line in told if len(line) > 100 and not commands.match(line)] == []
    assert [row for row in rows if len(row) > 80] == []
    assert "\x1b" not in planned.stdout + planned.stderr + found.stdout + found.stderr


def test_a_reader_that_leaves_early_ends_no_command(tmp_path: Path, tree: Path) -> None:
    """`grep -q` closes the pipe at its first match; the command's own code stays."""
    home = tmp_path / "home"
    invoke(home, "detect.all", "--root", "nowhere")
    script = (
        f"{sys.executable} -m invoke detect.all --root {tree} | head -1; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=home, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [f"monorepo: {tree} (--root)", "1"]
    assert done.stderr == ""


def _in_terminal(script: str, out: Path, **environment: str) -> str:
    """Run a Python script with a terminal as stderr, stdout in a file; return what it showed."""
    master, slave = pty.openpty()
    with out.open("wb") as stream:
        child = subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=stream,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", **environment},
        )
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        shown += piece
    child.wait()
    os.close(master)
    return shown.decode()


SLOW = (
    "import time\n"
    "from pathlib import Path\n"
    "from closeout.cli import error_handler; from closeout.console import output, progress\n"
    "progress.DELAY = 0.1\n"
    "def act():\n"
    "    progress.step('planning \\x1b]0;title\\x07 cors ' + 'x' * 300)\n"
    "    time.sleep({seconds})\n"
    "    output.say('1 OPEN')\n"
    "    return 0\n"
    "error_handler.guarded(Path.cwd(), act)\n"
)


def test_a_slow_command_says_what_it_does_on_one_line_and_takes_it_away(tmp_path: Path) -> None:
    """The line is on the terminal alone, inert, within its width, and gone at the end."""
    shown = _in_terminal(SLOW.format(seconds=0.8), tmp_path / "out")
    pieces = shown.split("\r\x1b[K")
    assert len(pieces) > 2
    assert "planning ?]0;title? cors" in pieces[1]
    assert all(len(piece) <= 79 for piece in pieces)
    assert pieces[-1] == ""
    assert (tmp_path / "out").read_text() == "1 OPEN\n"


def test_a_quick_command_and_a_dumb_terminal_see_no_line(tmp_path: Path) -> None:
    """Nothing is written before the delay, and nothing at all where lines cannot be taken away."""
    quick = SLOW.replace("progress.DELAY = 0.1", "progress.DELAY = 30").format(seconds=0.01)
    assert _in_terminal(quick, tmp_path / "out") == ""
    assert _in_terminal(SLOW.format(seconds=0.5), tmp_path / "out", TERM="dumb") == ""


def test_progress_costs_no_import_and_no_wait() -> None:
    """A command must not start slower for a line that it may never show."""
    began = time.perf_counter()
    with progress.shown():
        progress.step("quick")
    assert time.perf_counter() - began < 1
    imported = {
        alias.name
        for node in ast.walk(ast.parse(Path(progress.__file__).read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert imported <= {"os", "sys", "threading", "time"}


class _Terminal:
    """A stream that says it is a terminal and keeps what is written."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Do nothing: all is kept."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("CLOSEOUT_NONE", "", "1 \x1b[31mOPEN\x1b[0m\n"),
        ("NO_COLOR", "1", "1 OPEN\n"),
        ("TERM", "dumb", "1 OPEN\n"),
    ],
)
def test_colour_needs_a_terminal_and_nobody_who_refuses_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    """NO_COLOR and a dumb terminal are taken at their word."""
    for name in ("NO_COLOR", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    output.say("1 OPEN")
    assert terminal.text == expected


def test_stray_prints_never_reach_the_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A library that prints cannot break the reader of the JSON."""

    def act() -> ExitCode:
        sys.stdout.write("noise\n")
        raise CloseoutError("toy", "it is a toy.", hint="take the real one.")

    with output.turn("toy", as_json=True):
        assert guarded(tmp_path, act) is ExitCode.UNUSABLE_INPUT
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"]["reference"] == "toy"
    assert shown.err.startswith("noise\n")


def test_what_says_lines_gives_data_too() -> None:
    """A command whose result only people can read would have an empty document."""
    silent = [
        str(module.relative_to(TOOLS.parent))
        for module in MODULES
        # Its benchmarks give as data what it says line by line.
        if module != TOOLS / "__main__.py"
        # A call without a task lists them, as help does.
        and module.name not in {"output.py", "workspace.py", "program.py"}
        and re.search(r"\bsay\(", text := module.read_text())
        # What concludes a session gives its rows.
        and not re.search(r"\b(give|add|conclude)\(", text)
    ]
    assert silent == []


def test_only_one_module_prints() -> None:
    """Everything that people read goes through `output`; ruff's T201 holds the same."""
    printing = {
        str(module.relative_to(TOOLS.parent))
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert printing <= {"src/closeout/harness/launchers/loopback_only.py"}


def test_bash_is_here() -> None:
    """The tests of pipes and completion are of no use without it."""
    assert shutil.which("bash")
