"""A session's exit code is what the battery's answers before and after the fix ask for."""

import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from closeout.cli import session
from closeout.cli.commands import fix, probe
from closeout.engine import planner
from closeout.errors import ExitCode
from closeout.fs.tree import DiskTree, digest
from closeout.gaps import GAPS
from closeout.harness import environments, node
from closeout.model import (
    Edit,
    Gate,
    GateContext,
    Means,
    Observation,
    Probe,
    ProbeContext,
    Row,
)
from closeout.runs import evidence_store, store
from closeout.runs.workspace import Workspace
from tests.support.builders import EVERY_SUBJECT, write_files
from tests.support.monorepos import space_for


def _reads_state(context: ProbeContext) -> Observation:
    seen = (context.root / "state").read_text()
    passed = {"good": True, "bad": False}.get(seen)
    return Observation(passed=passed, expected="good", observed=seen, command="cat state")


UP = Observation(passed=True, expected="up", observed="up", command="curl")
PROBE = Probe(id="toy.state", criterion="1.1", needs=(), run=_reads_state)


@pytest.mark.parametrize(
    ("states", "kind", "code"),
    [
        (("bad", "good"), "proof", ExitCode.SETTLED),
        (("good", "unreadable"), "not run", ExitCode.UNPROVEN),
        (("good", "bad"), "regression", ExitCode.GAPS_LEFT),
    ],
)
def test_battery_session_ends_as_its_worst_answer_asks(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    states: tuple[str, str],
    kind: str,
    code: ExitCode,
) -> None:
    """A regression fails the run, and what did not run leaves it unproven."""
    before, after = (state.encode() for state in states)
    root = write_files(tmp_path / "root", {"state": before})
    space = space_for(tmp_path / "home", root)
    edit = Edit(path=PurePosixPath("state"), before=before, after=after)
    fix.write(space, planner.Plan(before={}, after={}, proposals=(), edits=(edit,)))
    assert probe.ask_battery(space, Path(sys.executable), [PROBE]) is code
    (item,) = evidence_store.gather(space.reports, root)
    assert item.kind.value == kind
    told = "not run: toy.state, unreadable" if kind == "not run" else f"{kind:<10} 1.1   toy.state"
    assert told in capsys.readouterr().out


def _not_run_lines(printed: str) -> list[str]:
    return [line.strip() for line in printed.splitlines() if "not run: " in line]


def _never_asked(name: str, *needs: str) -> Probe:
    return Probe(id=name, criterion="1.1", needs=needs, run=_reads_state, subject=needs[0])


def test_part_of_the_battery_closes_no_criterion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left out stands as not run, until it was asked; a part writes over no whole."""
    root = write_files(tmp_path / "root", {"state": b"good"})
    space = space_for(tmp_path / "home", root)
    other = replace(PROBE, id="toy.other")
    toy = replace(
        GAPS[0], probes=lambda: (PROBE, other), probes_of=None, unlisted=frozenset(), subjects=()
    )
    monkeypatch.setattr(probe, "GAPS", (toy,))

    def answers(only: str, code: ExitCode) -> dict[str, str]:
        assert probe.live_probes(space, Path(sys.executable), only) is code
        seen = evidence_store.gather(space.reports, root)
        return {item.probe: item.observed.partition("; used again")[0] for item in seen}

    part = answers(PROBE.id, ExitCode.SETTLED)
    assert part == {PROBE.id: "good", other.id: "left out by --only"}
    assert answers("", ExitCode.SETTLED) == {PROBE.id: "good", other.id: "good"}
    assert answers(PROBE.id, ExitCode.SETTLED) == {PROBE.id: "good", other.id: "good"}


@pytest.mark.parametrize("program", ["mlflow server", "uvicorn app.main:app"])
def test_an_app_that_its_image_never_starts_is_told_once_a_criterion_and_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """Many questions would be many lines, and none of them proof; no criterion is closed by it."""
    declared = b"[[service]]\nname = 'barn'\nfolder = 'barn'\nkind = 'fastapi'\n"
    image = f"FROM a\nCMD {program}\n".encode()
    files = {"state": b"good", "closeout.toml": declared, "barn/Dockerfile": image}
    space = space_for(tmp_path / "home", write_files(tmp_path / "root", files))
    asked = [_never_asked(f"toy.{number}@barn", "barn") for number in range(3)]
    asked[2] = replace(asked[2], criterion="1.2")
    toy = replace(GAPS[0], probes=lambda: (PROBE, *asked), probes_of=None, subjects=())
    monkeypatch.setattr(probe, "GAPS", (replace(toy, unlisted=frozenset(["barn"])),))
    assert probe.live_probes(space, Path(sys.executable)) is ExitCode.UNPROVEN
    seen = {
        (item.probe, item.criterion): item.observed
        for item in evidence_store.gather(space.reports, space.root)
        if item.passed is None
    }
    if "uvicorn" in program:
        assert len(seen) == len(asked)
        return
    told = "no proof: what starts barn is `mlflow server`, never the app in its folder"
    assert seen == {("toy.as-deployed@barn", number): told for number in ("1.1", "1.2")}
    part = probe.live_probes(space, Path(sys.executable), "toy.1@barn")
    assert part is ExitCode.UNPROVEN


def test_one_cause_is_told_once_with_the_probes_that_it_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service that is not there costs three probes and one line; each has its own record."""
    root = write_files(tmp_path / "root", {"state": b"good"})
    space = space_for(tmp_path / "home", root)
    probes = [_never_asked(f"toy.{number}", "cloud-nowhere") for number in range(2)]
    probes += [
        _never_asked("toy.both", "cloud-nowhere", "no-such-tool"),
        _never_asked("toy.other", "cloud-elsewhere"),
    ]
    code = probe.ask_battery(space, Path(sys.executable), [*probes, PROBE])
    assert code is ExitCode.UNPROVEN
    printed = capsys.readouterr().out
    reason = "{0} is not up: the tree has no service folder {0}"
    assert _not_run_lines(printed) == [
        f"not run: 3 probes, {reason.format('cloud-nowhere')}",
        f"not run: toy.other, {reason.format('cloud-elsewhere')}",
    ]
    assert printed.count("no service folder cloud-nowhere") == 1
    lost = {
        item.probe: item.observed
        for item in evidence_store.gather(space.reports, root)
        if item.passed is None
    }
    assert set(lost) == {"toy.0", "toy.1", "toy.both", "toy.other"}
    assert "no-such-tool is not installed" in lost["toy.both"]


def test_service_that_is_lost_before_the_fix_alone_is_told_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a proof is none: the line says what the tree before the fix lacked."""
    root = write_files(tmp_path / "root", {"state": b"good"})
    space = space_for(tmp_path / "home", root)
    edit = Edit(path=PurePosixPath("state"), before=b"unreadable", after=b"good")
    (root / "state").write_bytes(b"unreadable")
    fix.write(space, planner.Plan(before={}, after={}, proposals=(), edits=(edit,)))
    probe.ask_battery(space, Path(sys.executable), [PROBE])
    assert _not_run_lines(capsys.readouterr().out) == [
        "not run: toy.state, before the fix unreadable"
    ]
    (item,) = evidence_store.gather(space.reports, root)
    assert item.kind.value == "observed"
    assert item.observed == "good; before the fix it did not run: unreadable"


def _toy_gate(means: Means, requirements: str = "", number: str = "1.1") -> Gate:
    def run(context: GateContext) -> tuple[Row, ...]:
        seen = _reads_state(ProbeContext(root=context.root, scratch=context.scratch))
        return ((f"toy.{number}", number, replace(seen, command=str(context.python))),)

    return Gate(
        name="toy",
        session="toy_session",
        means=means,
        criteria=(number,),
        run=run,
        requirements=requirements,
    )


def _fixed(tmp_path: Path) -> Workspace:
    root = write_files(tmp_path / "root", {"state": b"bad"} | EVERY_SUBJECT)
    space = space_for(tmp_path / "home", root)
    edit = Edit(path=PurePosixPath("state"), before=b"bad", after=b"good")
    fix.write(space, planner.Plan(before={}, after={}, proposals=(), edits=(edit,)))
    return space


@pytest.mark.parametrize(
    ("means", "before"), [(Means.SUITE, False), (Means.LIVE, False), (Means.OPERATOR, None)]
)
def test_gate_is_put_to_the_tree_before_the_fix_unless_an_operator_answers(
    tmp_path: Path, means: Means, before: bool | None
) -> None:
    """What a cluster says does not change with the tree: it is asked once."""
    space = _fixed(tmp_path)
    assert session.judge(space, [_toy_gate(means)], lambda _: Path("none")) is ExitCode.SETTLED
    (item,) = evidence_store.gather(space.reports, space.root)
    assert (item.before, item.passed, item.means) == (before, True, means)


def test_gates_of_one_session_share_its_evidence_and_have_their_own_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One needs an interpreter and one does not; the first finds it in the folder that is named."""
    monkeypatch.setattr(environments, "ensure", lambda folder, pins: folder / pins)
    space = _fixed(tmp_path)
    gates = [_toy_gate(Means.SUITE), _toy_gate(Means.SUITE, "requirements/barn.txt", "1.2")]
    session.judge(space, gates, session.environments_in(Path("kept")))
    run = store.latest(space.reports, space.root)
    items = evidence_store.read(run.evidence / "toy_session.json")
    assert {item.criterion: item.command for item in items} == {
        "1.1": "None",
        "1.2": "kept/barn/requirements/barn.txt",
    }


def test_gate_without_requirements_has_no_interpreter(tmp_path: Path) -> None:
    """It is a bug of ours to ask for one, and says so."""
    context = GateContext(root=tmp_path, scratch=tmp_path, cache=tmp_path)
    with pytest.raises(LookupError, match="names its requirements"):
        context.program("dbt")


@pytest.mark.needs("node")
def test_a_lock_that_was_resolved_is_kept_with_the_run_and_never_in_the_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a service without a lock was booted with can be told afterwards."""
    server = b"require('http').createServer((_, answer) => answer.end()).listen(1)\n"
    files = {
        "cloud-layer/cloud-barn/package.json": b"{}",
        "cloud-layer/cloud-barn/index.js": server,
    }
    root = write_files(tmp_path / "root", files)
    resolved = write_files(tmp_path / "cache", {"package-lock.json": b'{"packages": {}}'})
    (resolved / "node_modules").mkdir()
    monkeypatch.setattr(
        "closeout.harness.node.install_needed",
        lambda *_: node.Installed(
            modules=resolved / "node_modules", lock=resolved / "package-lock.json"
        ),
    )
    space = space_for(tmp_path / "home", root)
    asked = replace(_never_asked("toy.up", "cloud-barn"), run=lambda _: UP)
    before = digest(DiskTree(root))
    assert probe.ask_battery(space, Path(sys.executable), [asked]) is ExitCode.SETTLED
    (kept,) = store.latest(space.reports, root).folder.glob("locks/*")
    assert (kept.name, kept.read_bytes()) == (
        "cloud-barn.package-lock.json",
        b'{"packages": {}}',
    )
    assert digest(DiskTree(root)) == before
