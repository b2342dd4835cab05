"""A service that a deliberately bad fix stops is a regression, one test for each kind of fault."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath

import pytest

from closeout.cli import parity_rows
from closeout.cli.commands import fix, probe
from closeout.cli.error_handler import guarded
from closeout.engine import planner
from closeout.errors import ExitCode
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from closeout.harness import boot_parity
from closeout.harness.boot_parity import Parity
from closeout.harness.service_discovery import EXPRESS, FASTAPI, Member
from closeout.model import (
    Edit,
    Observation,
    Patch,
    Probe,
    ProbeContext,
    ProofKind,
    Proposal,
)
from closeout.runs import evidence_store
from closeout.runs.workspace import Workspace
from tests.support.builders import write_files
from tests.support.monorepos import space_for
from tests.support.tiny import prefaced_service

NODE = Member(name="barn", folder=PurePosixPath("edge/barn"), kind=EXPRESS)
PYTHON = Member(name="barn", folder=PurePosixPath("cloud-layer/barn"), kind=FASTAPI)
_LISTEN = "require('http').createServer((_, answer) => answer.end()).listen(3000)\n"
_COMPOSE = "services:\n  barn:\n    build: ./barn\n    environment:\n      - STAGE=production\n"
_REQUIRED = "if (!process.env.GATE_TOKEN) throw new Error('GATE_TOKEN is not set')\n"
_ORIGINS = (
    "if (process.env.STAGE === 'production' && process.env.ALLOWED_ORIGINS === undefined)\n"
    "  throw new Error('ALLOWED_ORIGINS is not set')\n"
)

Files = Mapping[str, str]


def _compared(tmp_path: Path, member: Member, before: Files, after: Files) -> tuple[Parity, ...]:
    """Lay a tree and the same with the fix's files over it, and compare how they boot."""
    trees = {label: tmp_path / label for label in ("before", "after")}
    for label, files in (("before", before), ("after", {**before, **after})):
        write_files(trees[label], {name: text.encode() for name, text in files.items()})
    return boot_parity.compared(
        trees,
        [member],
        python=Path(sys.executable),
        cache=tmp_path / "cache",
        scratch=tmp_path / "scratch",
    )


def _node(server: str = _LISTEN, **more: str) -> dict[str, str]:
    files = {"edge/barn/package.json": "{}", "edge/barn/server.js": server}
    return {**files, "edge/docker-compose.yml": _COMPOSE, **more}


def _told(found: tuple[Parity, ...]) -> dict[str, bool | None]:
    return {str(parity.source): parity.seen.passed for parity in found}


# -- One test for each kind of fix that stops a service --------------------------------------------


@pytest.mark.needs("node")
def test_an_import_below_its_first_use_stops_a_service(tmp_path: Path) -> None:
    """The policy is imported after the last import, and used above it."""
    use = "const app = policy()\n"
    bring = "const { policy } = require('./policy')\n"
    policy = {"edge/barn/policy.js": "exports.policy = () => 'strict'\n"}
    bad, good = use + bring + _LISTEN, bring + use + _LISTEN
    (found,) = _compared(tmp_path / "bad", NODE, _node(), {**_node(bad), **policy})
    assert found.seen.passed is False
    assert "Cannot access 'policy' before initialization" in found.seen.observed
    (found,) = _compared(tmp_path / "good", NODE, _node(), {**_node(good), **policy})
    assert found.seen.passed


@pytest.mark.needs("node")
def test_a_secret_that_no_file_hands_on_stops_a_service_where_it_is_required(
    tmp_path: Path,
) -> None:
    """Compose does not deliver it, the chart does: the one is a regression, the other none."""
    chart = "env:\n  STAGE: cluster\nsecretEnv:\n  GATE_TOKEN:\n    secret: barn\n    key: gate\n"
    before = _node(**{"edge/barn/helm/values.yaml": chart})
    found = _compared(tmp_path, NODE, before, _node(_REQUIRED + _LISTEN))
    assert _told(found) == {"edge/docker-compose.yml": False, "edge/barn/helm/values.yaml": True}
    lost = next(parity.seen.observed for parity in found if not parity.seen.passed)
    assert "GATE_TOKEN is not set" in lost
    assert "edge/docker-compose.yml gives it STAGE" in lost


def test_a_secret_that_a_python_service_requires_at_import_stops_it(tmp_path: Path) -> None:
    """Nothing of it is filled by the harness, and nothing else is needed to see it."""
    for label, preface in (("before", ""), ("after", "import os\n\nos.environ['GATE_TOKEN']\n")):
        prefaced_service(tmp_path / label, "barn", preface)
    (found,) = _compared(tmp_path, PYTHON, {"cloud-layer/docker-compose.yml": _COMPOSE}, {})
    assert found.seen.passed is False
    assert "KeyError: 'GATE_TOKEN'" in found.seen.observed


@pytest.mark.needs("node")
def test_origins_that_no_example_names_stop_a_service_in_production(tmp_path: Path) -> None:
    """Compose hands on what the caller's environment says, and that follows the example."""
    passed_on = f"{_COMPOSE}      - ALLOWED_ORIGINS\n"
    dev = _COMPOSE.replace("production", "development")
    before = _node(**{"edge/docker-compose.dev.yml": dev})
    after = {**_node(_ORIGINS + _LISTEN), "edge/docker-compose.yml": passed_on}
    found = _compared(tmp_path / "bad", NODE, before, after)
    assert _told(found) == {"edge/docker-compose.yml": False, "edge/docker-compose.dev.yml": True}
    named = {**after, "edge/.env.example": "ALLOWED_ORIGINS=https://farm.example\n"}
    found = _compared(tmp_path / "good", NODE, before, named)
    assert _told(found) == {"edge/docker-compose.yml": True, "edge/docker-compose.dev.yml": True}


@pytest.mark.needs("node")
def test_an_optional_variable_that_became_required_stops_a_service(tmp_path: Path) -> None:
    """It started without a vault; what its compose file gives it has not changed."""
    before = _node("const vault = process.env.GATE_TOKEN || ''\n" + _LISTEN)
    (found,) = _compared(tmp_path, NODE, before, _node(_REQUIRED + _LISTEN))
    assert found.seen.passed is False


@pytest.mark.needs("node")
def test_a_secret_that_is_read_before_the_file_of_variables_stops_a_service(
    tmp_path: Path,
) -> None:
    """Under compose its process is given the secret; a developer's `.env` comes too late."""
    load = (
        "const fs = require('fs') // as dotenv does\n"
        "const text = fs.existsSync('.env') ? fs.readFileSync('.env', 'utf8') : ''\n"
        "for (const [, name, value] of text.matchAll(/^(.+?)=(.*)$/gm))\n"
        "  process.env[name] ??= value\n"
    )
    given = f"{_COMPOSE}      - GATE_TOKEN=${{GATE_TOKEN:?}}\n"
    example = {"edge/barn/.env.example": "GATE_TOKEN=\n", "edge/.env.example": "GATE_TOKEN=\n"}
    before = {**_node(load + _REQUIRED + _LISTEN, **example), "edge/docker-compose.yml": given}
    after = {**before, "edge/barn/server.js": _REQUIRED + load + _LISTEN}
    found = _compared(tmp_path, NODE, before, after)
    assert _told(found) == {"edge/docker-compose.yml": True, "edge/barn/.env.example": False}


@pytest.mark.needs("node")
def test_a_compose_file_that_nobody_can_start_any_more_stops_a_service(tmp_path: Path) -> None:
    """It requires a variable that stands in no example; one that an example names is filled in."""
    after = _node(**{"edge/docker-compose.yml": f"{_COMPOSE}      - TOKEN=${{TOKEN:?}}\n"})
    (found,) = _compared(tmp_path / "bad", NODE, _node(), after)
    assert found.seen.passed is False
    assert "compose refuses it: TOKEN is not set" in found.seen.observed
    named = {**after, "edge/.env.example": "OTHER=\nTOKEN=\nLAST=1\n"}
    (found,) = _compared(tmp_path / "good", NODE, _node(), named)
    assert found.seen.passed


# -- What is no regression -------------------------------------------------------------------------


@pytest.mark.needs("node")
def test_what_nobody_delivers_before_the_fix_either_is_filled_on_both_sides(
    tmp_path: Path,
) -> None:
    """The tree's own fault stays the tree's own, and the evidence names what was filled in."""
    changed = "console.log('fixed')\n"
    (found,) = _compared(
        tmp_path, NODE, _node(_REQUIRED + _LISTEN), _node(_REQUIRED + changed + _LISTEN)
    )
    assert found.seen.passed
    assert "with GATE_TOKEN filled in as before the fix" in found.seen.observed


@pytest.mark.needs("node")
def test_what_a_refusal_reads_beside_the_name_that_it_says_is_filled_too(tmp_path: Path) -> None:
    """A message names one of the variables that its condition asks for."""
    several = (
        "const { env } = process, name = process.env.GATE_NAME, word = process.env.GATE_WORD\n"
        "if (!process.env.GATE_TOKEN || !name || !word)\n"
        "  throw new Error('Missing GATE_TOKEN or credentials')\n"
    )
    (found,) = _compared(
        tmp_path, NODE, _node(several + _LISTEN), _node(f"{several}// fixed\n{_LISTEN}")
    )
    assert found.seen.passed, found.seen.observed
    assert "with GATE_NAME, GATE_TOKEN, GATE_WORD filled in" in found.seen.observed


@pytest.mark.needs("node")
def test_what_only_the_fix_asks_for_is_not_filled(tmp_path: Path) -> None:
    """The old refusal stays answered; the new one stops the service."""
    old = "if (!process.env.GATE_TOKEN) throw new Error('Missing GATE_TOKEN or words')\n"
    new = "if (!process.env.GATE_WORD) throw new Error('Missing GATE_WORD or more')\n"
    (found,) = _compared(tmp_path, NODE, _node(old + _LISTEN), _node(old + new + _LISTEN))
    assert found.seen.passed is False, found.seen.observed


@pytest.mark.needs("node")
def test_a_service_that_did_not_boot_before_is_not_judged(tmp_path: Path) -> None:
    """What starts on neither side says nothing of the fix."""
    (found,) = _compared(tmp_path, NODE, _node("throw 1\n"), _node("throw 2\n"))
    assert found.seen.passed is None
    assert "before the fix either" in found.seen.observed


def test_a_service_for_which_nothing_changed_is_not_asked(tmp_path: Path) -> None:
    """An edit elsewhere boots nothing."""
    assert _compared(tmp_path, NODE, _node(), {"README.md": "new\n"}) == ()


def test_an_app_that_its_image_never_starts_is_not_started_here(tmp_path: Path) -> None:
    """What is deployed is another program, which the edit does not touch."""
    image = {"edge/barn/Dockerfile": "FROM a\nCMD mlflow server --port 1\n"}
    assert _compared(tmp_path, NODE, _node(**image), _node(_REQUIRED + _LISTEN)) == ()


@pytest.mark.needs("node")
def test_nothing_is_left_in_a_copy_that_a_developers_file_was_laid_in(tmp_path: Path) -> None:
    """The `.env` goes with the boot that needed it, and one that is there is the tree's own."""
    example = {"edge/barn/.env.example": "A=1\n", "edge/barn/load.js": "// dotenv\n"}
    before = _node(**example)
    found = _compared(tmp_path, NODE, before, _node(f"// fixed\n{_LISTEN}"))
    assert _told(found) == {"edge/docker-compose.yml": True, "edge/barn/.env.example": True}
    assert not list(tmp_path.rglob("barn/.env"))


# -- In a session ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preface", "kind", "code"),
    [
        ("import os\n\nos.environ['GATE_TOKEN']\n", ProofKind.REGRESSION, ExitCode.GAPS_LEFT),
        ("import os\n\nos.environ.get('GATE_TOKEN')\n", ProofKind.GUARD, ExitCode.SETTLED),
    ],
)
def test_a_stopped_service_fails_the_session_under_the_gap_that_changed_it(
    tmp_path: Path, preface: str, kind: ProofKind, code: ExitCode
) -> None:
    """It opens the gap's live criterion; one that starts on both sides only guards."""
    space = _fixed(tmp_path, preface)
    assert (
        probe.ask_battery(
            space, Path(sys.executable), (), parity_rows.BootedMembers(members=[PYTHON])
        )
        is code
    )
    (item,) = evidence_store.gather(space.reports, space.root)
    assert item.kind is kind
    assert item.probe == "boot-parity.barn@cloud-layer/docker-compose.yml"
    assert item.criterion == "7.1"
    assert [made.service for made in item.stand_ins] == ["barn"]
    assert item.stand_ins[0].launcher.startswith("python launcher")


def test_a_row_settles_the_criterion_that_asks_the_service() -> None:
    """The first live one of CORS is about five services alone: a sixth that fails opens another."""
    (cors,) = (gap for gap in GAPS if gap.slug == "cors")
    asked = [
        Probe(id=f"{slug}.a@barn", criterion=number, needs=("barn",), run=_never)
        for slug, number in (("headers", "1.2"), ("cors", "M.1"), ("cors", "1.3"))
    ]
    deployed = parity_rows.BootedMembers(members=[PYTHON], battery=asked)
    assert deployed.criterion(cors, "barn") == "1.3"
    assert deployed.criterion(cors, "byre") == "1.1"


def _never(_: ProbeContext) -> Observation:
    pytest.fail("no row asks it")


@pytest.mark.parametrize(
    ("old", "kind", "criteria"),
    [
        ("raise SystemExit(1)\n", ProofKind.NOT_RUN, {"7.1"}),
        ("", ProofKind.GUARD, {"2.1", "7.1"}),
    ],
)
def test_what_starts_on_neither_side_is_told_under_the_gap_that_changed_it(
    tmp_path: Path, old: str, kind: ProofKind, criteria: set[str]
) -> None:
    """Another gap changed a file beside it: there is nothing that this one could have stopped."""
    space = _fixed(tmp_path, "# fixed\n", old, limited=True)
    probe.ask_battery(space, Path(sys.executable), (), parity_rows.BootedMembers(members=[PYTHON]))
    seen = evidence_store.gather(space.reports, space.root)
    assert {item.criterion for item in seen} == criteria
    assert {item.kind for item in seen} == {kind}


def _fixed(tmp_path: Path, preface: str, old: str = "", *, limited: bool = False) -> Workspace:
    """Lay a tree with one service that a fix has put `preface` above.

    Where it is `limited`, another gap has changed the compose file beside it.
    """
    root = tmp_path / "root"
    prefaced_service(root, "barn", old)
    declared = b"[[service]]\nname = 'barn'\nfolder = 'cloud-layer/barn'\nkind = 'fastapi'\n"
    compose = {"cloud-layer/docker-compose.yml": _COMPOSE.encode()}
    write_files(root, {**compose, "closeout.toml": declared})
    space = space_for(tmp_path / "home", root)
    path = PurePosixPath("cloud-layer/barn/app/main.py")
    content = DiskTree(root).read(path) or b""
    edits = {"headers": Edit(path=path, before=content, after=preface.encode() + content)}
    if limited:
        given = f"{_COMPOSE}      - TRUST_PROXY_HOPS=1\n".encode()
        beside = PurePosixPath("cloud-layer/docker-compose.yml")
        edits["rate-limit"] = Edit(path=beside, before=_COMPOSE.encode(), after=given)
    proposals = tuple(
        Proposal(gap=gap, edits=(edit,), patches=(_patch(gap, edit),), unresolved=())
        for gap, edit in edits.items()
    )
    every = tuple(edits.values())
    fix.write(space, planner.Plan(before={}, after={}, proposals=proposals, edits=every))
    return space


def _patch(gap: str, edit: Edit) -> Patch:
    return Patch(slug=gap, name="bad", diff=b"", targets=(edit.path,), origin="derived")


@pytest.mark.parametrize(
    ("only", "count"),
    [
        ("boot-parity", 1),
        ("boot-parity.barn", 1),
        ("boot-parity.barn@cloud-layer/docker-compose.yml", 1),
        ("boot-parity.barn@cloud-layer/docker-compose.dev.yml", 0),
    ],
)
def test_a_part_of_the_parity_is_asked_by_the_name_that_its_rows_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], only: str, count: int
) -> None:
    """A service, and one environment of it; where no fix changed it, that is said."""
    space = _fixed(tmp_path, "import os\n")
    code = probe.live_probes(space, Path(sys.executable), only)
    assert code is (ExitCode.SETTLED if count else ExitCode.UNPROVEN)
    seen = [item.probe for item in evidence_store.gather(space.reports, space.root)]
    assert seen == ["boot-parity.barn@cloud-layer/docker-compose.yml"] * count
    told = f"{only}: not asked, no fix that stands changed what it starts with"
    assert (told in capsys.readouterr().out) is not bool(count)


def test_what_started_on_both_sides_is_not_started_again_where_nothing_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same row stands, and no service is asked for."""
    space = _fixed(tmp_path, "import os\n")
    ask = partial(probe.live_probes, space, Path(sys.executable), "boot-parity.barn")
    assert ask() is ExitCode.SETTLED
    (first,) = evidence_store.gather(space.reports, space.root)
    started: list[object] = []
    monkeypatch.setattr(boot_parity, "_of_service", lambda asked, *_: started.append(asked) or [])
    assert ask() is ExitCode.SETTLED
    assert not started
    (second,) = evidence_store.gather(space.reports, space.root)
    assert (second.probe, second.kind) == (first.probe, ProofKind.GUARD)
    assert "used again: 1 answer of " in capsys.readouterr().out


def test_a_part_of_the_battery_that_is_of_no_probe_is_unusable_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is booted for a slip of the pen, and the nearest name is told."""
    space = _fixed(tmp_path, "import os\n")
    act = partial(probe.live_probes, space, Path(sys.executable), "boot-parity.bran")
    assert guarded(space.home, act) is ExitCode.UNUSABLE_INPUT
    assert "name boot-parity.barn" in capsys.readouterr().err
