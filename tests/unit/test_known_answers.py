"""A second session asks what may have changed, and says of what it uses an earlier answer."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from closeout.cli import known_answers
from closeout.cli.commands import fix, probe
from closeout.engine import planner
from closeout.errors import ExitCode
from closeout.gaps import plugins
from closeout.model import Edit, Observation, Probe, ProbeContext, ProofKind
from closeout.runs import evidence_store
from closeout.runs.workspace import Workspace
from tests.support.builders import write_files
from tests.support.monorepos import space_for

_PYTHON = Path(sys.executable)


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    """Return a workspace on a small tree that a fix has mended."""
    root = write_files(tmp_path / "root", {"state": b"bad", "other": b"1"})
    space = space_for(tmp_path / "home", root)
    edit = Edit(path=PurePosixPath("state"), before=b"bad", after=b"good")
    fix.write(space, planner.Plan(before={}, after={}, proposals=(), edits=(edit,)))
    return space


class _Counted:
    """A question that counts how often it is put, and has an answer for a fixed tree."""

    def __init__(self, fixed: bool | None = True) -> None:  # noqa: FBT002 - an answer
        self.count = 0
        self.fixed = fixed

    def __call__(self, context: ProbeContext) -> Observation:
        self.count += 1
        good = (context.root / "state").read_text() == "good"
        passed = self.fixed if good else False
        return Observation(passed=passed, expected="good", observed="seen", command="cat state")


def _ask(space: Workspace, run: _Counted, name: str = "toy.state") -> ExitCode:
    asked = Probe(id=name, criterion="1.1", needs=(), run=run)
    return probe.ask_battery(space, _PYTHON, [asked])


def test_what_was_found_in_order_is_not_asked_again_where_nothing_changed(
    space: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row is the same but for what says when it was asked, and the output says so."""
    run = _Counted()
    assert _ask(space, run) is ExitCode.SETTLED
    (first,) = evidence_store.gather(space.reports, space.root)
    assert run.count == 2
    assert "used again" not in capsys.readouterr().out
    assert _ask(space, run) is ExitCode.SETTLED
    (second,) = evidence_store.gather(space.reports, space.root)
    assert run.count == 2
    assert "used again: 1 answer of " in capsys.readouterr().out
    assert second.kind is ProofKind.PROOF
    assert second.observed.startswith("seen; used again, an answer of ")
    assert replace(second, at=first.at, observed="seen") == first


@pytest.mark.parametrize("answer", [False, None])
def test_what_is_red_or_did_not_run_is_asked_again(
    space: Workspace,
    answer: bool | None,
) -> None:
    """A fault may be gone, and a tool be there."""
    run = _Counted(answer)
    _ask(space, run)
    _ask(space, run)
    assert run.count == 4


@pytest.mark.parametrize("change", ["tree", "python", "tools"])
def test_an_answer_holds_for_what_it_was_given_with(
    space: Workspace, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Another tree, before the fix or after it, interpreter or tool: it is asked."""
    run = _Counted()
    _ask(space, run)
    asked = [Probe(id="toy.state", criterion="1.1", needs=(), run=run)]
    python = _PYTHON
    if change == "tree":
        (space.root / "other").write_text("2")
    elif change == "python":
        python = Path("/another/python")
    else:
        monkeypatch.setattr(known_answers.tool_versions, "versions", lambda: {"node": "99"})
    probe.ask_battery(space, python, asked)
    assert run.count == 4


def test_an_answer_holds_for_the_packages_that_the_interpreter_had(
    space: Workspace, tmp_path: Path
) -> None:
    """An environment that was made anew has the same path."""
    run = _Counted()
    asked = [Probe(id="toy.state", criterion="1.1", needs=(), run=run)]
    packages = tmp_path / "env" / "lib" / "python3" / "site-packages"
    (packages / "fastapi-0.1.dist-info").mkdir(parents=True)
    python = tmp_path / "env" / "bin" / "python"
    probe.ask_battery(space, python, asked)
    probe.ask_battery(space, python, asked)
    assert run.count == 2
    (packages / "fastapi-0.1.dist-info").rename(packages / "fastapi-0.2.dist-info")
    probe.ask_battery(space, python, asked)
    assert run.count == 4


def test_an_answer_holds_for_the_code_of_the_plugins(
    space: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe of somebody's own gap is asked again where its author has changed it."""
    package = write_files(
        tmp_path / "own",
        {"toyplugin/__init__.py": b"", "toyplugin/probes.py": b"EXPECTED = 1\n"},
    )
    monkeypatch.syspath_prepend(str(package))
    importlib.import_module("toyplugin")
    monkeypatch.setattr(plugins, "_installed", lambda: ["toyplugin:GAP"])
    run = _Counted()
    _ask(space, run)
    _ask(space, run)
    assert run.count == 2
    (package / "toyplugin" / "probes.py").write_bytes(b"EXPECTED = 12\n")
    _ask(space, run)
    assert run.count == 4


def test_nothing_is_kept_of_a_tree_that_changed_while_it_was_asked(space: Workspace) -> None:
    """Nobody knows which of the two an answer is about."""
    run = _Counted()

    def edits(context: ProbeContext) -> Observation:
        (space.root / "other").write_text("2")
        return run(context)

    probe.ask_battery(space, _PYTHON, [Probe(id="toy", criterion="1.1", needs=(), run=edits)])
    assert not list((space.cache / "answers").glob("*.json"))


def test_evidence_stands_where_answers_cannot_be_kept(
    space: Workspace,
) -> None:
    """No room for them costs the second session's time, and nothing of the first."""
    space.cache.mkdir(parents=True, exist_ok=True)
    (space.cache / "answers").write_bytes(b"")
    assert _ask(space, _Counted()) is ExitCode.SETTLED
    (seen,) = evidence_store.gather(space.reports, space.root)
    assert seen.kind is ProofKind.PROOF


def test_a_file_that_is_not_whole_is_no_answer(space: Workspace) -> None:
    """What somebody cut off is asked again."""
    run = _Counted()
    _ask(space, run)
    place = known_answers.place(space, _PYTHON)
    place.write_bytes(place.read_bytes()[:-9])
    _ask(space, run)
    assert run.count == 4


def test_everything_is_asked_anew_where_that_is_wanted(space: Workspace) -> None:
    """So that nobody has to know where the answers lie."""
    run = _Counted()
    _ask(space, run)
    known_answers.forget(space)
    _ask(space, run)
    assert run.count == 4
