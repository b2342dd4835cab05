"""Every command shows an example that works, every error says what to do, and shells complete."""

from __future__ import annotations

import argparse
import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
from invoke import Program
from invoke.parser import Parser

import closeout
from closeout.cli import namespace
from closeout.cli import parser as door
from tests.support.monorepos import TASKS

HOME = Path(__file__).resolve().parents[2]
PACKAGE = Path(closeout.__file__).parent
TASK_NAMES = sorted(namespace(HOME).task_names)
SUBCOMMANDS = next(
    dict(action.choices)
    for action in door.parser()._actions  # noqa: SLF001 - argparse has no public walk
    if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001 - as above
)
VERBS = frozenset(
    {
        "add",
        "check",
        "delete",
        "chmod",
        "close",
        "correct",
        "free",
        "give",
        "hand",
        "install",
        "invoke",
        "keep",
        "leave",
        "limit",
        "list",
        "make",
        "mend",
        "move",
        "name",
        "nox",
        "npm",
        "publish",
        "read",
        "send",
        "open",
        "pass",
        "put",
        "raise",
        "regenerate",
        "remove",
        "rename",
        "repair",
        "replace",
        "report",
        "restore",
        "run",
        "set",
        "take",
        "try",
        "update",
        "use",
        "wait",
        "write",
    }
)


def _task_examples(name: str) -> list[str]:
    doc = namespace(HOME)[name].__doc__ or ""
    return re.findall(r"Example: (.+?)\.?$", doc, re.MULTILINE)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_task_has_an_example_of_itself_that_parses(name: str) -> None:
    """The words are put to Invoke's own parser; nothing runs."""
    examples = _task_examples(name)
    assert examples, f"`invoke --help {name}` shows no example"
    collection = namespace(HOME)
    parser = Parser(initial=Program().initial_context, contexts=collection.to_contexts())
    for example in examples:
        before, *words = re.split(r"(?:^|\s)invoke\s", example, maxsplit=1)
        assert words, example
        assert re.fullmatch(r"(\w+=\S+\s?)*", before), example
        parsed = parser.parse_argv(shlex.split(words[0]))
        assert [context.name for context in parsed[1:]] == [name]


@pytest.mark.parametrize("name", sorted(SUBCOMMANDS))
def test_subcommand_has_an_example_of_itself_that_parses(name: str) -> None:
    """`--help` shows it below the options."""
    told = re.findall(r"^example: closeout (.+)$", SUBCOMMANDS[name].format_help(), re.MULTILINE)
    assert len(told) == 1, f"closeout {name} --help shows no example: add it to its row"
    assert door.parser().parse_args(shlex.split(told[0])).command == name


def _sessions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in ast.parse((HOME / "noxfile.py").read_text()).body:
        if isinstance(node, ast.FunctionDef) and any(
            ast.unparse(decorator).startswith("nox.session") for decorator in node.decorator_list
        ):
            yield node.name, node


@pytest.mark.parametrize(("name", "session"), tuple(_sessions()), ids=lambda value: str(value)[:30])
def test_session_has_an_example_of_itself_whose_words_fit(
    name: str, session: ast.FunctionDef
) -> None:
    """`nox --usage SESSION` shows it; what goes after `--` must be known to the subcommand."""
    doc = ast.get_docstring(session) or ""
    told = re.findall(r"^Example: nox -s (\w+)(?: -- (.+))?$", doc, re.MULTILINE)
    assert [example[0] for example in told] == [name], f"nox --usage {name} shows no example"
    for words in _run_by(session):
        python = ["--python", "PYTHON"] if "--python" in SUBCOMMANDS[words[0]].format_help() else []
        door.parser().parse_args([*words, *python, *shlex.split(told[0][1])])


def _run_by(session: ast.FunctionDef) -> Iterator[list[str]]:
    """Yield the first words of every subcommand that takes what is written after `--`."""
    for node in ast.walk(session):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_gate":
            yield [
                "gate",
                *(word.value for word in node.args[1:2] if isinstance(word, ast.Constant)),
            ]
        if isinstance(node, ast.Call) and "'closeout'" in ast.unparse(node):
            words = [word.value for word in node.args if isinstance(word, ast.Constant)]
            takes_more = any(isinstance(word, ast.Starred) for word in node.args)
            if words[:3] == ["python", "-m", "closeout"] and takes_more:
                yield list(takewhile(lambda word: not word.startswith("--"), words[3:]))


def _hints() -> Iterator[tuple[str, str]]:
    for module in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = f"{module.relative_to(PACKAGE)}:{node.lineno}"
                hints = [key.value for key in node.keywords if key.arg == "hint"]
                if node.func.id == "CloseoutError":
                    assert len(hints) == 1, f"{place}: an error without a next step"
                if node.func.id in {"CloseoutError", "Unresolved"}:
                    yield from ((place, _start(hint)) for hint in hints)


def _start(hint: ast.expr) -> str:
    """Return the literal beginning of a hint, empty where it is held in a variable."""
    first = hint.values[0] if isinstance(hint, ast.JoinedStr) else hint
    return str(first.value) if isinstance(first, ast.Constant) else ""


def test_every_error_and_refusal_begins_its_hint_with_what_to_do() -> None:
    """A hint is an order: it begins with a verb, or is a command."""
    hints = list(_hints())
    assert len(hints) > 60
    wrong = [f"{place}: {hint}" for place, hint in hints if hint and hint.split()[0] not in VERBS]
    assert wrong == []


BAD_TASKS = (
    "detect.all --root nowhere",
    "detect.all --root /",
    "detect.all --root {empty}",
    "detect.all --only nonsense --root {root}",
    "fix.all --root nowhere",
    "fix.all --only nonsense --root {root}",
    "fix.undo --root {root}",
    "fix.undo --run nonsense --root {root}",
    "report.verify --run nonsense --root {root}",
    "report.verify --run ../.. --root {root}",
    "audit.all --quick --claims nowhere.md --root {root}",
    "audit.all --quick --claims {file} --root {root}",
    "backup.restore --root {root}",
    "certs.rotate --step nonsense",
    "certs.rotate --step trust",
    "certs.dev --names a/b",
    "certs.dev --fleet nowhere",
    "certs.cluster --out {root}/taken",
    "secrets.inventory --root nowhere",
)


@pytest.mark.parametrize("words", BAD_TASKS)
def test_bad_input_of_a_task_is_answered_with_the_next_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    """What happened, where, and what to do: three lines on stderr, and no other code than 2."""
    root = tmp_path / "root"
    (root / "taken").mkdir(parents=True)
    (root / "taken" / "deployment.yaml").touch()
    (root / "taken" / "configmap.yaml").touch()
    (root / "note.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "claims.md").write_text("nothing is ticked here")
    named = {"root": root, "empty": tmp_path / "empty", "file": tmp_path / "claims.md"}
    home = tmp_path / "home"
    home.mkdir()
    program = Program(namespace=namespace(home))
    with pytest.raises(SystemExit) as ended:
        program.run(["invoke", *shlex.split(words.format(**named))])
    assert ended.value.code == 2
    _assert_told(capsys.readouterr().err)


BAD_SUBCOMMANDS = (
    "",
    "nonsense",
    "order check nowhere.md",
    "order check {empty}",
    "order nonsense x",
    "init --root nowhere",
    "init",
    "gate nonsense",
    "gate vision --python nowhere --root {root}",
    "gate billing --root nowhere",
    "probe --python nowhere --root {root}",
    "probe --root {root}",
    "gate mutation --python nowhere --root {root}",
    "gate dbt --python nowhere --root {root}",
    "gate mqtt --python nowhere --root {root}",
    "mutate --python nowhere",
    "docs check",
    "docs nonsense",
    "environment {root}/made requirements/nonsense.txt",
    "drift --gap nonsense",
)


@pytest.mark.parametrize("words", BAD_SUBCOMMANDS)
def test_bad_input_of_a_subcommand_is_answered_with_the_next_step(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
) -> None:
    """The usage errors of the parser itself as well."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "note.txt").write_text("x")
    monkeypatch.setenv("CLOSEOUT_HOME", str(tmp_path))
    named = {"root": root, "empty": root / "note.txt"}
    try:
        code = door.main(shlex.split(words.format(**named)))
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 2
    _assert_told(capsys.readouterr().err)


def _assert_told(shown: str) -> None:
    matched = re.search(r"^error: ([a-z-]+)\n((?:  \S.*\n)+)hint: (\S.*)", shown, re.MULTILINE)
    assert matched, shown
    assert matched[1] != "bug-of-ours", shown


def _completed(script: str, cwd: Path) -> list[str]:
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", script],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(cwd)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected", "absent"),
    [
        ("invoke fix.mq", "fix.mqtt-tls", "fix.cors"),
        ("invoke report.", "report.verify", "fix.all"),
        ("invoke fix.all --", "--dry-run", "--strict"),
    ],
)
def test_bash_completes_tasks_and_their_options(
    tmp_path: Path, line: str, expected: str, absent: str
) -> None:
    """As README.md says how: Invoke's own script, in a real bash."""
    (tmp_path / "tasks.py").write_text(TASKS)
    words = line.split()
    script = (
        "source <(invoke --print-completion-script bash)\n"
        "complete -p invoke | grep -q _complete_invoke || exit 9\n"
        f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
        f"_complete_invoke invoke {words[-1]} {words[-2]}\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    found = _completed(script, tmp_path)
    assert expected in found
    assert absent not in found


@pytest.mark.parametrize(
    ("line", "expected", "absent"),
    [
        ("closeout env", "environment", "gate"),
        ("closeout gate v", "vision", "billing"),
        ("closeout probe --o", "--only", "--python"),
    ],
)
def test_bash_completes_subcommands_and_their_options(
    tmp_path: Path, line: str, expected: str, absent: str
) -> None:
    """As README.md says how: argcomplete, which Nox brings, in a real bash."""
    script = (
        'eval "$(register-python-argcomplete closeout)"\n'
        "complete -p closeout | grep -q _python_argcomplete || exit 9\n"
        f"COMP_LINE='{line}'; COMP_POINT={len(line)}; COMP_TYPE=9\n"
        "_python_argcomplete closeout\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    found = _completed(script, tmp_path)
    assert expected in found
    assert absent not in found
