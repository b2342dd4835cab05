"""A bug of ours stays in its gap: the other nine are closed as before, and everything says it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

import jsonschema
import pytest

from closeout.cli import session
from closeout.cli.commands import audit, detect, fix, probe
from closeout.cli.commands import report as reporting
from closeout.cli.error_handler import guarded
from closeout.console import failures
from closeout.engine import planner
from closeout.errors import CloseoutError, ExitCode
from closeout.fs.tree import DiskTree, Overlay
from closeout.gaps import GAPS
from closeout.model import Gap, Observation, Probe, ProbeContext, Tree
from closeout.runs import evidence_store, store
from closeout.runs.workspace import Workspace
from tests.support.builders import EVERY_SUBJECT, snapshot, write_files
from tests.support.monorepos import reference_copy, space_for

BROKEN = "cors"
SCHEMA = json.loads(
    (resources.files("closeout") / "formats/schemas/report.schema.json").read_text()
)
FORMS = ("report.json", "report.md", "report.html", "junit.xml", "findings.sarif")


def _raises(*_: object, **__: object) -> NoReturn:
    message = "the barn door"
    raise LookupError(message)


@contextmanager
def _no_database(*_: object) -> Iterator[None]:
    yield None


def _judge(space: Workspace, name: str) -> ExitCode:
    return session.judge(space, session.named(name), lambda _: Path(sys.executable))


def _with(monkeypatch: pytest.MonkeyPatch, slug: str = BROKEN, **broken: object) -> tuple[Gap, ...]:
    """Put gaps in place of ours of which one has the given fields."""
    gaps = tuple(replace(gap, **broken) if gap.slug == slug else gap for gap in GAPS)
    for module in (audit, detect, probe, reporting):
        monkeypatch.setattr(module, "GAPS", gaps)
    return gaps


def _report(space: Workspace) -> dict[str, Any]:
    folder = store.latest(space.reports, space.root).folder
    report = json.loads((folder / "report.json").read_text())
    jsonschema.validate(report, SCHEMA)
    assert isinstance(report, dict)
    return report


def _verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {gap["slug"]: gap["verdict"] for gap in report["gaps"]}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return every gap's verdict on a copy of the reference monorepo where nothing fails."""
    home = tmp_path_factory.mktemp("usual")
    space = space_for(home, reference_copy(home / "farmiq"))
    fix.fix(space, GAPS)
    return _verdicts(_report(space))


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    """Return a workspace on a copy of the reference monorepo."""
    return space_for(tmp_path, reference_copy(tmp_path / "farmiq"))


def _assert_only_ours_is_blocked(
    space: Workspace, usual: dict[str, str], slug: str = BROKEN
) -> None:
    report = _report(space)
    assert report["exit_code"] == ExitCode.OWN_BUG
    assert _verdicts(report) == usual | {slug: "BLOCKED"}
    assert "LookupError: the barn door" in report["bugs"][0]
    assert str(failures.LOG) in report["bugs"][0]
    folder = store.latest(space.reports, space.root).folder
    for name in FORMS:
        assert "the barn door" in (folder / name).read_text(), name
    assert "LookupError: the barn door" in (space.home / failures.LOG).read_text()


def _blocked_alone(report: dict[str, Any], slug: str = BROKEN) -> None:
    mine = next(gap["criteria"] for gap in report["gaps"] if gap["slug"] == slug)
    for row in report["criteria"]:
        if row["id"] in mine:
            assert (row["verdict"], str(failures.LOG) in row["because"]) == ("BLOCKED", True)


def test_a_detector_that_fails_blocks_its_gap_alone(
    space: Workspace,
    usual: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The nine others are fixed and ruled as ever; the code is 3 and the log is named."""
    gaps = _with(monkeypatch, survey=_raises)
    assert guarded(space.home, lambda: fix.fix(space, gaps)) is ExitCode.OWN_BUG
    _assert_only_ours_is_blocked(space, usual)
    _blocked_alone(_report(space))
    shown = capsys.readouterr()
    assert "bug of ours: cors: detect failed: LookupError: the barn door" in shown.out
    assert "error: bug-of-ours\n  cors: detect failed: LookupError" in shown.err
    assert f"hint: report it, please, with the full log: {failures.LOG}." in shown.err


def test_a_fix_that_fails_writes_nothing_of_its_gap_and_all_of_the_others(
    space: Workspace, usual: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its places stay as they were, its open places are counted; report.build says it again."""
    gaps = _with(monkeypatch, fix=_raises)
    assert guarded(space.home, lambda: fix.fix(space, gaps)) is ExitCode.OWN_BUG
    _assert_only_ours_is_blocked(space, usual)
    report = _report(space)
    _blocked_alone(report)
    assert {change["gap"] for change in report["changes"]} == set(usual) - {BROKEN}
    assert guarded(space.home, lambda: reporting.build(space)) is ExitCode.OWN_BUG
    _assert_only_ours_is_blocked(space, usual)


def test_a_fix_that_failed_no_longer_counts_once_its_gap_has_no_open_place(
    space: Workspace, usual: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody closed it by hand: the next report rules on what is there."""
    gaps = _with(monkeypatch, fix=_raises)
    guarded(space.home, lambda: fix.fix(space, gaps))
    monkeypatch.undo()
    (cors,) = detect.select(BROKEN)
    plan = planner.plan([cors], DiskTree(space.root), fix._prepared)  # noqa: SLF001
    fix.transaction.commit(space.root, plan.edits)
    guarded(space.home, lambda: reporting.build(space))
    assert _verdicts(_report(space)) == usual
    assert _report(space)["bugs"] == []


@pytest.mark.parametrize("error", [RecursionError("deep"), MemoryError(), OSError("no such")])
def test_any_exception_of_a_detector_is_kept(tmp_path: Path, error: Exception) -> None:
    """Too deep a source and too little memory too."""

    def fails(_: Tree) -> NoReturn:
        raise error

    gap = replace(GAPS[0], survey=fails)
    checks = planner.detect([gap], Overlay(_toy(tmp_path)))[gap.slug]
    assert {check.criterion for check in checks} == set(gap.criteria)
    assert all(type(error).__name__ in check.unresolved[0].detail for check in checks)


def test_an_interrupt_ends_the_run(tmp_path: Path) -> None:
    """Whoever presses Ctrl-C means all of it."""

    def interrupted(_: Tree) -> NoReturn:
        raise KeyboardInterrupt

    gap = replace(GAPS[0], survey=interrupted)
    with pytest.raises(KeyboardInterrupt):
        planner.detect([gap], _toy(tmp_path))


def test_input_that_a_gap_cannot_use_blocks_it_and_is_no_bug(
    space: Workspace, usual: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that the user can act on keeps its hint, and the code is that of open gaps."""

    def refuses(_: Tree) -> NoReturn:
        raise CloseoutError("declaration-unusable", "closeout.toml: no", hint="correct it.")

    gaps = _with(monkeypatch, fix=refuses)
    assert guarded(space.home, lambda: fix.fix(space, gaps)) is ExitCode.GAPS_LEFT
    report = _report(space)
    assert _verdicts(report) == usual | {BROKEN: "BLOCKED"}
    assert report["bugs"] == []
    (left,) = next(gap["unresolved"] for gap in report["gaps"] if gap["slug"] == BROKEN)
    assert (left["reason"], left["hint"]) == ("unusable", "correct it.")
    assert not (space.home / failures.LOG).exists()


def test_edits_are_dropped_when_the_detector_fails_on_all_of_them(
    space: Workspace, usual: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gap whose last look fails writes nothing, and no later gap has built on its edits."""
    headers = next(gap for gap in GAPS if gap.slug == "headers")

    def fails_late(tree: Tree) -> object:
        if any(path.name == "security_headers.py" for path in tree.paths()):
            _raises()
        return cors.survey(tree)

    cors = next(gap for gap in GAPS if gap.slug == BROKEN)
    gaps = _with(monkeypatch, survey=fails_late)
    assert guarded(space.home, lambda: fix.fix(space, gaps)) is ExitCode.OWN_BUG
    report = _report(space)
    assert headers.slug in {change["gap"] for change in report["changes"]}
    assert BROKEN not in {change["gap"] for change in report["changes"]}
    assert _verdicts(report) == usual | {BROKEN: "BLOCKED"}
    assert not list(space.root.rglob("cors.py"))


def test_detect_all_names_the_failure_and_the_places_of_the_others(
    space: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written, and nothing hides behind the gap that fails."""
    gaps = _with(monkeypatch, survey=_raises)
    before = snapshot(space.root)
    assert guarded(space.home, lambda: detect.detect(space, gaps)) is ExitCode.OWN_BUG
    shown = capsys.readouterr().out
    assert shown.count("bug: cors: detect failed: LookupError") == 1
    assert "  7.1  " in shown
    assert "  1.1  " not in shown
    assert snapshot(space.root) == before


def test_audit_judges_the_others(
    space: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A detector that fails, and a reader beside the gaps that does, are told in one audit."""
    _with(monkeypatch, survey=_raises)
    monkeypatch.setattr(audit.artifact_lint, "inspect", _raises)
    assert guarded(space.home, lambda: audit.quick(space)) is ExitCode.OWN_BUG
    assert _verdicts(_report(space))[BROKEN] == "BLOCKED"
    assert "files: left out: files failed: LookupError" in capsys.readouterr().out
    log = (space.home / failures.LOG).read_text()
    assert "files failed: LookupError" in log
    assert "cors: detect failed: LookupError" in log


def _answers(_: ProbeContext) -> Observation:
    return Observation(passed=True, expected="up", observed="up", command="ask")


@pytest.fixture
def toy(tmp_path: Path) -> Workspace:
    """Return a workspace on a tree with hardly anything in it."""
    return space_for(tmp_path, write_files(tmp_path / "root", {"state": b"good"} | EVERY_SUBJECT))


def _toy(folder: Path) -> DiskTree:
    return DiskTree(write_files(folder / "toy", {"state": b"good"} | EVERY_SUBJECT))


def test_a_probe_that_fails_blocks_its_criterion_and_hides_no_other(
    space: Workspace, usual: dict[str, str]
) -> None:
    """The answers of the others count, and the report tells which probe it was."""
    guarded(space.home, lambda: fix.fix(space, GAPS))
    probes = [
        Probe(id="cors.breaks", criterion="1.1", needs=(), run=_raises),
        Probe(id="cors.fine", criterion="1.2", needs=(), run=_answers),
    ]
    code = guarded(space.home, lambda: probe.ask_battery(space, Path(sys.executable), probes))
    assert code is ExitCode.OWN_BUG
    seen = {item.probe: item for item in evidence_store.gather(space.reports, space.root)}
    assert seen["cors.fine"].passed
    assert str(failures.LOG) in seen["cors.breaks"].bug
    assert guarded(space.home, lambda: reporting.build(space)) is ExitCode.OWN_BUG
    _assert_only_ours_is_blocked(space, usual)


def test_a_failure_is_forgotten_once_its_session_ran_again(toy: Workspace) -> None:
    """What it was told about may not even be asked any more."""
    for run in (_raises, _answers):
        store.start(toy.reports, toy.root, "audit")
        asked = Probe(id=f"toy.{run.__name__}", criterion="1.1", needs=(), run=run)
        guarded(toy.home, partial(probe.ask_battery, toy, Path(sys.executable), [asked]))
    (item,) = evidence_store.gather(toy.reports, toy.root)
    assert item.probe == "toy._answers"


def test_a_gap_whose_probes_cannot_be_had_is_blocked(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other gaps' probes are asked."""
    fine = Probe(id="headers.fine", criterion="7.1", needs=(), run=_answers)
    gaps = [
        replace(GAPS[0], probes=_raises, probes_of=None),
        replace(GAPS[6], probes=lambda: (fine,), probes_of=None),
    ]
    monkeypatch.setattr(probe, "GAPS", gaps)
    code = guarded(toy.home, lambda: probe.live_probes(toy, Path(sys.executable)))
    assert code is ExitCode.OWN_BUG
    seen = evidence_store.gather(toy.reports, toy.root)
    assert {item.criterion for item in seen if item.bug} == set(GAPS[0].criteria)
    assert [item.probe for item in seen if item.passed] == ["headers.fine"]


def test_a_gap_whose_gates_cannot_be_had_leaves_the_others_theirs(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure is told and logged, and the command ends as ours."""
    gaps = tuple(replace(gap, gates=_raises) if gap.slug == "sql" else gap for gap in GAPS)
    monkeypatch.setattr(session, "GAPS", gaps)
    names: list[str] = []

    def listed() -> ExitCode:
        names.extend(gate.name for gate in session.gates())
        return ExitCode.SETTLED

    assert guarded(toy.home, listed) is ExitCode.OWN_BUG
    assert {"billing", "vision", "mqtt"} <= set(names)
    assert "dbt" not in names


@pytest.mark.parametrize(
    ("places", "name", "criteria"),
    [
        (["billing_tests.gates.suite.run"], "billing", {"5.1", "5.2", "5.3", "5.4", "5.5", "M.4"}),
        (["vision_tests.gates.suite.run"], "vision", {"6.3", "6.4", "6.5", "M.5"}),
        (["sql.gates.dbt.run_dbt"], "dbt", {"3.2", "3.3", "M.3"}),
        (
            ["billing_tests.gates.mutation.run", "vision_tests.gates.mutation.run"],
            "mutation",
            {"5.5", "6.5"},
        ),
    ],
)
def test_a_gate_that_fails_says_so_for_each_of_its_criteria(
    toy: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    places: list[str],
    name: str,
    criteria: set[str],
) -> None:
    """None of them is left without an answer."""
    for place in places:
        monkeypatch.setattr(f"closeout.gaps.{place}", _raises)
    monkeypatch.setattr("closeout.harness.offline.database", _no_database)
    assert guarded(toy.home, lambda: _judge(toy, name)) is ExitCode.OWN_BUG
    seen = evidence_store.gather(toy.reports, toy.root)
    assert {item.criterion for item in seen} == criteria
    assert all(item.passed is None and "the barn door" in item.bug for item in seen)


def test_a_gate_that_fails_blocks_its_gap_alone(
    space: Workspace, usual: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report counts it as ours, whatever the suite is worth."""
    guarded(space.home, lambda: fix.fix(space, GAPS))
    monkeypatch.setattr("closeout.gaps.vision_tests.gates.suite.run", _raises)
    assert guarded(space.home, lambda: _judge(space, "vision")) is ExitCode.OWN_BUG
    assert guarded(space.home, lambda: reporting.build(space)) is ExitCode.OWN_BUG
    _assert_only_ours_is_blocked(space, usual, "vision-tests")


def test_several_failures_of_one_run_are_all_in_the_log(tmp_path: Path) -> None:
    """And those of the run before it; one that is met twice stands there once."""

    def act() -> ExitCode:
        for where in ("one", "two", "one"):
            failures.noted(where, LookupError("lost"))
        return ExitCode.SETTLED

    assert guarded(tmp_path, act) is ExitCode.OWN_BUG
    assert guarded(tmp_path, act) is ExitCode.OWN_BUG
    log = (tmp_path / failures.LOG).read_text()
    assert log.count("one failed: LookupError: lost") == 2
    assert log.count("two failed: LookupError: lost") == 2


def test_a_home_that_cannot_be_written_to_hides_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log is lost, the message is not."""
    (tmp_path / "reports").write_text("a file where the folder should be")
    assert guarded(tmp_path, _raises) is ExitCode.OWN_BUG
    assert "LookupError: the barn door" in capsys.readouterr().err
