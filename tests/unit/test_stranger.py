"""A tree that is not the order's own is asked for nothing that it does not have."""

import inspect
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from invoke import Config, Context, Exit

from closeout.cli import session
from closeout.cli.collections import gather
from closeout.cli.commands import detect, fix, gate, init, probe, report
from closeout.cli.error_handler import guarded
from closeout.engine import rules, subjects
from closeout.errors import CloseoutError, ExitCode
from closeout.fs.tree import DiskTree, MemoryTree
from closeout.gaps import GAPS
from closeout.gaps.cors import probes as cors_probes
from closeout.gaps.headers import probes as headers_probes
from closeout.harness.http import Answer, Request
from closeout.model import ProbeContext, Service
from closeout.reporting import terminal
from closeout.runs import store
from closeout.runs.workspace import Workspace
from tests.support.builders import EVERY_SUBJECT, snapshot, write_files
from tests.support.monorepos import space_for
from tests.support.strangers import SHOP

FOREIGN = re.compile(
    rb"farmiq|smart-?farm|Bangkok|asia-southeast|:51[0-9]{2}\b|x-tenant|cloud-layer|edge-layer",
    re.IGNORECASE,
)
"""What only the order's own monorepo has."""


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """Return a workspace on the small shop."""
    return space_for(tmp_path / "home", write_files(tmp_path / "shop", SHOP))


def _report(space: Workspace) -> dict[str, Any]:
    run = store.latest(space.reports, space.root)
    read: dict[str, Any] = json.loads((run.folder / "report.json").read_bytes())
    return read


def _absent(files: dict[str, bytes]) -> subjects.Absent:
    return subjects.absent_of(GAPS, MemoryTree(files))


def test_a_small_shop_is_fixed_with_a_few_files_and_settled(shop: Workspace) -> None:
    """What it has is mended; what it has not is told as not applicable, and nothing is written."""
    before = snapshot(shop.root)
    assert fix.fix(shop, GAPS) is ExitCode.UNPROVEN
    after = snapshot(shop.root)
    written = {path for path, content in after.items() if before.get(path) != content}
    assert len(written) <= 15
    assert {path.partition("/")[0] for path in written} == {
        "services",
        "docker-compose.yml",
        ".env.example",
    }
    for path in written:
        assert FOREIGN.search(after[path][0]) is None, path
    assert report.build_lenient(shop) is ExitCode.SETTLED
    assert detect.detect(shop, GAPS) is ExitCode.SETTLED
    fix.fix(shop, GAPS)
    assert snapshot(shop.root) == after


def test_what_does_not_apply_is_told_with_its_reason_in_every_form(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON, page, Markdown, JUnit and SARIF; the terminal names each reason once."""
    fix.fix(shop, GAPS)
    printed = capsys.readouterr().out
    reason = "the tree has no MQTT broker"
    assert printed.count(reason) == 1
    rows = {row["id"]: row for row in _report(shop)["criteria"]}
    assert (rows["8.1"]["verdict"], rows["8.1"]["because"]) == ("NOT_APPLICABLE", reason)
    assert (rows["D.8"]["verdict"], rows["D.8"]["because"]) == ("NOT_APPLICABLE", reason)
    folder = store.latest(shop.reports, shop.root).folder
    for name in ("report.html", "report.md", "junit.xml", "findings.sarif"):
        text = (folder / name).read_text()
        assert reason in text, name
    (run,) = json.loads((folder / "findings.sarif").read_bytes())["runs"]
    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"] is True
    assert '<testcase classname="closeout.8.1"' in (folder / "junit.xml").read_text()


def test_sessions_that_have_nothing_to_ask_are_settled(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """They say why, install nothing and leave no evidence."""

    def no_environment(requirements: str) -> Path:
        raise AssertionError(requirements)

    for name in dict.fromkeys(item.name for item in session.gates()):
        code = session.judge(shop, session.named(name), no_environment)
        assert code is ExitCode.SETTLED, name
    assert session.judge_suites(shop) is ExitCode.SETTLED
    assert "mqtt_tls: not applicable, the tree has no MQTT broker" in capsys.readouterr().out
    assert gate.ALL not in {item.name for item in session.gates()}
    assert not shop.reports.exists()


def test_a_file_that_nobody_could_read_leaves_in_doubt_what_the_tree_has(
    shop: Workspace,
) -> None:
    """It may hold the subject: a broker in a compose file in UTF-16, say."""
    text = "services:\n  mqtt:\n    image: eclipse-mosquitto\n"
    (shop.root / "docker-compose.edge.yml").write_bytes(text.encode("utf-16"))
    guarded(shop.home, lambda: fix.fix(shop, GAPS))
    rows = {row["id"]: row for row in _report(shop)["criteria"]}
    assert rows["8.1"]["verdict"] == "UNPROVEN"
    assert "docker-compose.edge.yml" in rows["8.1"]["because"]


def test_a_command_is_named_for_what_it_can_settle_on_this_tree(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """No session that has no question of a criterion is said to settle it."""
    fix.fix(shop, GAPS)
    told = capsys.readouterr().out
    left = told[told.index("left unproven") :].splitlines()
    assert left[1:5] == [
        "  nox -s live_probes",
        "      settles 1.1, 2.1, 2.3, 7.1, 7.2, 7.3, 7.4, M.1, M.2, M.6",
        "  a look by hand, for no probe asks it of this tree, and a waiver in waivers.toml",
        "      settles 1.2, 4.2",
    ]


def test_places_of_one_line_stand_in_the_order_of_their_criteria(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever ticks an order off goes down its list."""
    detect.detect(shop, GAPS)
    assert re.findall(r"  (7\.\d)  api ", capsys.readouterr().out) == ["7.1", "7.2", "7.3", "7.4"]


def test_a_command_is_told_for_the_tree_that_was_named() -> None:
    """A script is that tree's own, and not one of the folder in which the reader stands."""
    told = terminal.runnable("k8s/eso/install.sh, then invoke secrets.verify", Path("/a b"))
    assert told == "'/a b/k8s/eso/install.sh', then invoke secrets.verify --root '/a b'"
    by_hand = "a look by hand, and a waiver in waivers.toml"
    assert terminal.runnable(by_hand, Path("/a b")) == by_hand


def test_a_link_that_leads_nowhere_holds_nothing_and_one_that_leads_out_names_its_remedy(
    shop: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is told to settle a doubt settles just that: here, to take the link away."""
    (shop.root / "lost").symlink_to("nowhere")
    fix.fix(shop, GAPS)
    told = capsys.readouterr().out
    assert "  ! lost\n" in told
    assert "the tree has no MQTT broker: 8.1, 8.2, 8.3, 8.4" in told
    (tmp_path / "elsewhere").write_text("x")
    (shop.root / "out").symlink_to(tmp_path / "elsewhere")
    report.build(shop)
    told = capsys.readouterr().out
    way = told.index("make out readable, or take it away, then run the command again")
    assert re.match(r"[^:]+settles .*8\.1, 8\.2", told[way:], re.DOTALL)
    assert "settles 8.2" not in told[:way]
    (shop.root / "out").unlink()
    report.build(shop)
    told = capsys.readouterr().out
    assert "the tree has no MQTT broker: 8.1, 8.2, 8.3, 8.4" in told
    assert "make out readable" not in told


@pytest.mark.parametrize(
    "files",
    [
        {"models/a.sql": b"select 1\n", "dbt_project.yml": b"name: a\n"},
        {
            "package.json": b'{"dependencies": {"express": "4.19.2", "cors": "2.8.5"}}',
            "src/app.js": b"const cors = require('cors');\nconst app = require('express')();\n"
            b"app.use(cors());\napp.get('/a', (q, r) => r.send('b'));\napp.listen(1);\n",
            "src/keys.js": b"module.exports = { secret: process.env.JWT_SECRET };\n",
        },
    ],
)
def test_what_reading_settles_is_settled_by_reading(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    """No static criterion waits for ever for the very command that has just judged it."""
    space = space_for(tmp_path / "home", write_files(tmp_path / "tree", files))
    fix.fix(space, GAPS)
    rows = [
        row
        for row in _report(space)["criteria"]
        if row["means"] == "static" and not row["id"].startswith("D.")
    ]
    assert rows
    assert [row["id"] for row in rows if row["verdict"] == "UNPROVEN"] == []


@pytest.mark.parametrize(
    ("files", "number"),
    [
        ({"api/server.go": b'package main\nimport "net/http"\n'}, "1.3"),
        (
            {
                "web/package.json": b'{"dependencies": {"express": "4.21.2", "@shop/http": "1"}}',
                "web/index.js": b"const app = require('@shop/http').createApp()\n"
                b"app.get('/a', (q, r) => r.send('b'))\napp.listen(1)\n",
            },
            "1.3",
        ),
        ({"jobs/send.py": b"import os\n\nPASSWORD = os.environ['PASSWORD']\n"}, "4.1"),
    ],
)
def test_what_no_rule_reads_is_left_to_a_person_and_a_waiver_settles_it(
    tmp_path: Path, files: dict[str, bytes], number: str
) -> None:
    """The command that has just read the tree would read no more of it."""
    space = space_for(tmp_path / "home", write_files(tmp_path / "tree", files))
    fix.fix(space, GAPS)
    rows = {row["id"]: row for row in _report(space)["criteria"]}
    assert rows[number]["verdict"] == "UNPROVEN"
    assert rows[number]["settled_by"] == (
        "a look by hand, for no rule reads it in this tree, and a waiver in waivers.toml"
    )
    today = datetime.now(UTC).date()
    (space.root / "waivers.toml").write_text(
        f'[[waiver]]\ncriterion = "{number}"\nwho = "a"\nwhen = {today}\n'
        f'why = "looked at"\nuntil = {today + timedelta(days=30)}\n'
    )
    report.build(space)
    assert {row["id"]: row["verdict"] for row in _report(space)["criteria"]}[number] == "WAIVED"


def test_every_criterion_applies_to_a_tree_with_every_subject() -> None:
    """Each subject is recognised by next to nothing; a tree of none has none of them."""
    assert _absent(EVERY_SUBJECT) == {}
    nothing = _absent({"README.md": b"postgres, mosquitto, login: nothing of it is here\n"})
    owned = {number for gap in GAPS for number in gap.criteria}
    assert owned - nothing.keys() == {"10.3"}


@pytest.mark.parametrize(
    ("path", "content", "criterion"),
    [
        ("services/pay/pyproject.toml", b'dependencies = ["asyncpg"]\n', "9.1"),
        ("compose.yaml", b"services:\n  db:\n    image: PostGIS/Postgres:16\n", "9.1"),
        ("deploy/emqx/values.yaml", b"image: emqx/emqx:5\n", "8.1"),
        ("src/Session.java", b"class Session { void signIn() {} }\n", "2.1"),
        ("api/server.go", b'import "net/http"\n', "1.3"),
        ("chart/Chart.yaml", b"apiVersion: v2\nname: shop\n", "10.1"),
        ("models/a.sql", b"select * from {{ ref('b') }}\n", "3.1"),
    ],
)
def test_a_subject_in_doubt_is_there(path: str, content: bytes, criterion: str) -> None:
    """What we cannot judge is unproven; saying that it is not there would be a false claim."""
    assert criterion not in _absent({path: content})


@pytest.mark.parametrize(
    ("path", "content", "criterion"),
    [
        (".github/workflows/ci.yml", b"image: postgres:16\n", "9.1"),
        ("macros/a.sql", b"{% macro postgres__cents(a) %}{{ a }}{% endmacro %}\n", "9.1"),
        ("package-lock.json", b'{"node_modules/pg": {"peer": "postgres"}}\n', "9.1"),
        (".github/workflows/closeout.yml", b"apt-get install mosquitto\n", "8.1"),
        ("catalog-info.yaml", b"apiVersion: backstage.io/v1alpha1\nkind: Component\n", "10.1"),
        ("docs/broker.md", b"we once ran mosquitto\n", "8.1"),
    ],
)
def test_what_only_speaks_of_a_subject_does_not_hold_it(
    path: str, content: bytes, criterion: str
) -> None:
    """A lock file, a workflow's test server and prose start nothing."""
    assert criterion in _absent({path: content})


def test_backups_without_a_cluster_are_scripts_alone(tmp_path: Path) -> None:
    """A PostgreSQL in compose gets the scripts; no manifest is written for a cluster nobody has."""
    compose = SHOP["docker-compose.yml"] + b"  db:\n    image: postgres:16\n"
    root = write_files(tmp_path / "root", SHOP | {"docker-compose.yml": compose})
    space = space_for(tmp_path / "home", root)
    fix.fix(space, detect.select("backup"))
    made = snapshot(root).keys() - SHOP.keys()
    assert made == {"scripts/backup-database.sh", "scripts/restore-database.sh"}
    rows = {row["id"]: row["verdict"] for row in _report(space)["criteria"]}
    assert (rows["9.2"], rows["9.1"]) == ("NOT_APPLICABLE", "UNPROVEN")


def _declared(space: Workspace, text: str) -> Workspace:
    (space.root / "closeout.toml").write_text(text)
    return space


def test_closeout_toml_leaves_out_gaps_in_every_command(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it does not ask for is neither found nor fixed, and the report says why."""
    _declared(shop, 'gaps = ["headers"]\n')
    assert fix.fix(shop, GAPS) is ExitCode.UNPROVEN
    rows = {row["id"]: row for row in _report(shop)["criteria"]}
    assert rows["1.1"]["because"] == "closeout.toml leaves out the gap cors"
    assert {row["verdict"] for name, row in rows.items() if name.startswith(("1.", "2."))} == {
        "NOT_APPLICABLE"
    }
    assert rows["7.1"]["verdict"] == "UNPROVEN"
    assert not (shop.root / "services/api/app/cors.py").exists()
    assert (shop.root / "services/api/app/security_headers.py").exists()
    capsys.readouterr()
    detect.detect(shop, GAPS)
    assert "1.3" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('gapps = ["cors"]\n', "there is no key 'gapps'; the nearest one is 'gaps'"),
        ('gaps = ["header"]\n', "there is no gap 'header'; the nearest one is 'headers'"),
        ('[names]\nnamespac = "a"\n', "names: there is no key 'namespac'; the nearest one is 'n"),
        ("[launch]\nworkers = 0\n", "launch.workers: 0 is not valid"),
        (
            '[[service]]\nname = "api"\nfolder = "gone"\n',
            "the folder gone of the service api holds no",
        ),
    ],
)
def test_closeout_toml_with_a_slip_ends_every_command(
    shop: Workspace, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    """It is unusable input, whatever was asked, and nothing is written."""
    _declared(shop, text)
    before = snapshot(shop.root)
    acts = (
        lambda: fix.fix(shop, GAPS),
        lambda: detect.detect(shop, GAPS),
        lambda: report.build(shop),
        lambda: session.judge(shop, session.named("dbt"), lambda _: Path("none")),
        lambda: probe.live_probes(shop, Path("none")),
    )
    for act in acts:
        assert guarded(shop.home, act) is ExitCode.UNUSABLE_INPUT
        assert told in capsys.readouterr().err
    assert snapshot(shop.root) == before


def _rooted() -> list[str]:
    """Return the tasks that take a monorepo, but for two that need nothing of it as it is."""
    found = gather(Path("home"))
    takes = (
        name
        for name in found.task_names
        if "root" in inspect.signature(found[name].body).parameters
    )
    return sorted(set(takes) - {"fix.undo", "report.verify"})


@pytest.mark.parametrize("name", _rooted())
def test_closeout_toml_with_a_slip_ends_every_task(
    shop: Workspace, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """What undoes a run and what checks a run's digests are not kept from it by a typing error."""
    _declared(shop, 'gapps = ["cors"]\n')
    before = snapshot(shop.root)
    shop.home.mkdir(exist_ok=True)
    found = gather(shop.home)
    options = inspect.signature(found[name].body).parameters
    words: dict[str, object] = {
        word: "x" if option.default is inspect.Parameter.empty else option.default
        for word, option in options.items()
        if word != "context"
    }
    context = Context(Config(overrides=found.configuration(name)))
    with pytest.raises(Exit) as ended:
        found[name].body(context, **words | {"root": str(shop.root)})
    assert ended.value.code == ExitCode.UNUSABLE_INPUT
    assert "there is no key 'gapps'; the nearest one is 'gaps'" in capsys.readouterr().err
    assert snapshot(shop.root) == before


def test_closeout_toml_with_a_slip_ends_the_hook(shop: Workspace) -> None:
    """As pre-commit starts it: in the repository, with the names of the changed files."""
    _declared(shop, 'gaps = ["header"]\n')
    ended = subprocess.run(
        [sys.executable, "-m", "closeout", "detect", "--root", ".", "services/api/app/main.py"],
        cwd=shop.root,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == ExitCode.UNUSABLE_INPUT
    assert "there is no gap 'header'; the nearest one is 'headers'" in ended.stderr


def test_a_service_that_is_declared_and_not_found_by_reading_is_not_said_to_be_absent(
    shop: Workspace,
) -> None:
    """Each command leaves it to the probes that ask the running service, and names them."""
    (shop.root / "services/api/app/main.py").write_text("from shop.web import app\n")
    _declared(shop, '[[service]]\nname = "shelf"\nfolder = "services/api"\nkind = "fastapi"\n')
    asked = probe.asked(DiskTree(shop.root))
    assert {"1.1", "7.1", "7.2", "7.3", "7.4", "M.1", "M.6"} <= asked
    fix.fix(shop, GAPS)
    rows = {row["id"]: row for row in _report(shop)["criteria"]}
    of_fastapi = ("1.1", "1.3", "7.1", "7.2", "7.3", "7.4")
    assert {rows[number]["verdict"] for number in of_fastapi} == {"DRIFTED"}
    assert all("the FastAPI service shelf" in rows[number]["because"] for number in of_fastapi)
    assert detect.detect(shop, GAPS) is ExitCode.GAPS_LEFT
    tree = DiskTree(shop.root)
    service = Service(name="shelf", folder=PurePosixPath("services/api"), kind="fastapi")
    made = {
        (item.id, item.criterion)
        for questions in (cors_probes.probes_of, headers_probes.probes_of)
        for item in questions(tree, service)
    }
    left = [
        (name, check.criterion)
        for gap in GAPS
        for check in rules.checks(gap, tree)
        for item in check.unresolved
        for name in item.probes
    ]
    assert {number for _, number in left} == set(of_fastapi)
    assert made >= {*left}


@pytest.mark.parametrize("is_own", [True, False])
def test_closeout_toml_says_to_the_probes_too_whose_tree_it_is(
    shop: Workspace, capsys: pytest.CaptureFixture[str], *, is_own: bool
) -> None:
    """A service that the order lists is missed by detection and probes alike, or by neither."""
    _declared(shop, f"is-orders-own = {str(is_own).lower()}\n")
    detect.detect(shop, GAPS)
    is_missed = "the order lists this service" in capsys.readouterr().out
    assert is_missed is is_own
    # No stranger is asked about the factory's secret; the order's own tree is.
    assert ("4.1" in probe.asked(DiskTree(shop.root))) is is_own


def test_names_come_from_closeout_toml(shop: Workspace) -> None:
    """Origins, namespace and bucket; whoever says nothing is asked for them in the report."""
    fix.fix(shop, detect.select("backup"))
    assert any("origins below [names]" in line for line in _report(shop)["notices"])
    _declared(
        shop,
        "kubernetes = true\n[names]\n"
        'project = "shop"\nnamespace = "shop-live"\nbucket = "shop-dumps"\n'
        'image = "registry.example/shop"\norigins = ["http://localhost:3001"]\n',
    )
    compose = SHOP["docker-compose.yml"] + b"  db:\n    image: postgres:16\n"
    (shop.root / "docker-compose.yml").write_bytes(compose)
    fix.fix(shop, GAPS)
    assert not any("[names]" in line for line in _report(shop)["notices"])
    after = snapshot(shop.root)
    assert b'"http://localhost:3001"' in after["services/api/app/cors.py"][0]
    job = after["k8s/backup-cronjob.yaml"][0]
    for text in (b"namespace: shop-live", b"gs://shop-dumps/", b"registry.example/shop/postgres"):
        assert text in job
    changed = {path for path, (content, _) in after.items() if SHOP.get(path) != content}
    for path in changed:
        assert FOREIGN.search(after[path][0]) is None, path


def test_init_says_what_each_gap_would_touch_and_the_hook_is_green_once_it_is_fixed(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Adoption lasts: init twice writes nothing, the hook goes by the changed files."""
    wheel = "tools/closeout.whl"
    assert init.adopt(str(shop.root), wheel) is ExitCode.SETTLED
    printed = capsys.readouterr().out
    assert "backup: does not apply, the tree has no PostgreSQL" in printed
    assert "headers: would touch 3 files: services/api/" in printed
    workflow = (shop.root / ".github/workflows/closeout.yml").read_text()
    assert f'CLOSEOUT: "{wheel}"' in workflow
    once = snapshot(shop.root)
    assert init.adopt(str(shop.root)) is ExitCode.SETTLED
    assert snapshot(shop.root) == once
    main = frozenset([PurePosixPath("services/api/app/main.py")])
    quiet = frozenset([PurePosixPath("services/api/requirements.txt")])
    assert detect.detect(shop, GAPS, main) is ExitCode.GAPS_LEFT
    assert detect.detect(shop, GAPS, quiet) is ExitCode.SETTLED
    fix.fix(shop, GAPS)
    assert detect.detect(shop, GAPS, main) is ExitCode.SETTLED
    assert init.adopt(str(shop.root)) is ExitCode.SETTLED
    for path, (content, _) in snapshot(shop.root).items():
        if SHOP.get(path) != content:
            assert FOREIGN.search(content) is None, path


def test_workflow_installs_nothing_that_nobody_named(shop: Workspace) -> None:
    """There is none until somebody says what; what would end its string is refused."""
    init.adopt(str(shop.root))
    assert not (shop.root / ".github").exists()
    with pytest.raises(CloseoutError, match="pip can be told"):
        init.adopt(str(shop.root), '"; rm -rf /')


@pytest.mark.parametrize(("methods", "asked"), [("GET", "GET"), ("POST,PUT", "POST"), ("", "GET")])
def test_headers_are_asked_for_with_a_method_that_the_service_takes(
    monkeypatch: pytest.MonkeyPatch, methods: str, asked: str
) -> None:
    """A service that only reads is not asked for POST, and the origin is the tree's own."""
    put: list[Request] = []

    def answer(_: ProbeContext, __: str, request: Request) -> Answer:
        put.append(request)
        return Answer(status=200, headers=(), body=b"")

    monkeypatch.setattr(cors_probes, "ask", answer)
    service = Service(name="api", folder=PurePosixPath("services/api"), kind="fastapi")
    named = {"closeout.toml": b'[names]\norigins = ["http://localhost:3001"]\n'}
    made = {item.id: item for item in cors_probes.probes_of(MemoryTree(SHOP | named), service)}
    context = ProbeContext(root=Path(), scratch=Path(), settings={"methods.api": methods})
    assert made["cors.named-headers-allowed@api"].run(context).passed
    (request,) = put
    assert ("Access-Control-Request-Method", asked) in request.headers
    assert ("Origin", "http://localhost:3001") in request.headers
    without = cors_probes.probes_of(MemoryTree(SHOP), service)
    assert not {"cors.allowed-origin@api", "cors.own-methods@api"} & {item.id for item in without}


def test_services_outside_compose_get_an_example_of_what_they_newly_need(shop: Workspace) -> None:
    """In production they do not start without it, and no compose file would tell anybody."""
    (shop.root / "docker-compose.yml").unlink()
    fix.fix(shop, GAPS)
    after = snapshot(shop.root)
    for folder in ("services/api", "services/auth"):
        assert b"\nALLOWED_ORIGINS=" in after[f"{folder}/.env.example"][0]
    fix.fix(shop, GAPS)
    assert snapshot(shop.root) == after
