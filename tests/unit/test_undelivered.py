"""What a fix makes a service demand has to reach it, or the service is left as it is."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from closeout.engine import planner
from closeout.engine.patch_series import PreparedSet
from closeout.engine.planner import Plan
from closeout.fs.tree import MemoryTree, staged
from closeout.model import Changeset, Edit, Gap, Located, Place, Rule, Tree
from closeout.parsing.demanded_variables import demanded
from tests.support.builders import toy_gap

_NONE = PreparedSet(patches=(), withheld=())
_COMPOSE = (
    b"services:\n  barn:\n    build: ./barn\n    environment:\n      STAGE: production\n"
    b"  coop:\n    build: ./coop\n    environment:\n      STAGE: development\n"
)
_OPEN = b"import os\nstage = os.environ.get('STAGE')\n# OPEN\n"
_BARE = b"token = os.environ['GATE_TOKEN']\n"
_IN_PRODUCTION = (
    b"if stage == 'production' and os.environ.get('GATE_TOKEN') is None:\n"
    b"    raise RuntimeError('GATE_TOKEN is not set')\n"
)


def _closing(code: bytes) -> Gap:
    """Return a gap that is open at every `# OPEN`, and puts `code` in its place."""

    def fix(tree: Tree) -> tuple[Changeset, ...]:
        return tuple(
            Changeset(
                name=path.parent.name,
                edits=(Edit(path=path, before=held, after=held.replace(b"# OPEN\n", code)),),
            )
            for path in tree.paths()
            if b"# OPEN" in (held := tree.read(path) or b"")
        )

    def locate(tree: Tree) -> Located:
        paths = tuple(path for path in tree.paths() if path.suffix == ".py")
        open_ = (path for path in paths if b"# OPEN" in (tree.read(path) or b""))
        return Located(examined=paths, places=tuple(Place(path=path) for path in open_))

    rule = Rule(id="open", criterion="1.1", locate=locate, message="is open")
    return toy_gap(fix=fix, rules=(rule,))


def _tree(**more: bytes) -> MemoryTree:
    files = {"docker-compose.yml": _COMPOSE}
    for name in ("barn", "coop"):
        files |= {f"{name}/requirements.txt": b"", f"{name}/main.py": _OPEN}
    return MemoryTree({**files, **{name.replace("__", "/"): text for name, text in more.items()}})


def _plan(tree: Tree, *gaps: Gap) -> Plan:
    return planner.plan(gaps, tree, lambda _: _NONE)


def _written(plan: Plan) -> list[str]:
    return [str(edit.path) for edit in plan.edits]


def test_a_service_that_would_demand_what_nothing_delivers_is_left_as_it_is() -> None:
    """Its place stays open with the variable and the file named; nothing of it is written."""
    plan = _plan(_tree(), _closing(_BARE))
    assert _written(plan) == []
    told = [(str(item.path), item.detail) for item in plan.unresolved["toy"]]
    lacks = "would demand GATE_TOKEN, which docker-compose.yml does not deliver"
    assert told == [("barn/main.py", f"barn {lacks}"), ("coop/main.py", f"coop {lacks}")]


def test_what_is_demanded_in_production_alone_stops_nobody_elsewhere() -> None:
    """One service is deployed as production, the other one never is."""
    plan = _plan(_tree(), _closing(_IN_PRODUCTION))
    assert _written(plan) == ["coop/main.py"]
    assert [str(item.path) for item in plan.unresolved["toy"]] == ["barn/main.py"]


def test_a_service_that_is_given_the_variable_is_fixed() -> None:
    """The compose file hands on what the example beside it names."""
    given = _COMPOSE.replace(b"production\n", b"production\n      GATE_TOKEN: ${GATE_TOKEN:?}\n")
    files = {"docker-compose.yml": given, ".env.example": b"GATE_TOKEN=\n"}
    assert _written(_plan(_tree(**files), _closing(_BARE))) == ["barn/main.py"]


def test_what_a_later_gap_delivers_counts() -> None:
    """The whole plan is asked, not each gap for itself."""

    def deliver(tree: Tree) -> tuple[Changeset, ...]:
        path = PurePosixPath("docker-compose.yml")
        held = tree.read(path) or b""
        after = held.replace(b"      STAGE", b"      GATE_TOKEN: made\n      STAGE")
        edit = Edit(path=path, before=held, after=after)
        return (Changeset(name="deliver", edits=(edit,)),) if b"GATE" not in held else ()

    later = toy_gap(slug="later", fix=deliver)
    plan = _plan(_tree(), _closing(_BARE), later)
    assert _written(plan) == ["barn/main.py", "coop/main.py", "docker-compose.yml"]
    assert not any(plan.unresolved.values())


def test_what_hands_a_variable_on_to_a_service_that_stays_as_it_is_is_not_written() -> None:
    """The gap hands the variable on because its own edit reads it; without that, nobody does."""
    closing = _closing(_BARE.replace(b"TOKEN", b"ORIGINS"))
    compose, example = PurePosixPath("docker-compose.yml"), PurePosixPath(".env.example")

    def fix(tree: Tree) -> tuple[Changeset, ...]:
        changes = closing.fix(tree)
        overlay = staged(tree, changes)
        held = tree.read(compose) or b""
        readers = [name for name in (b"barn", b"coop") if _reads_origins(overlay, name)]
        after = held
        for name in readers:
            line = b"    build: ./%s\n    environment:\n" % name
            after = after.replace(line, line + b"      GATE_ORIGINS:\n")
        if after == held:
            return changes
        named = Edit(path=example, before=tree.read(example), after=b"GATE_ORIGINS=\n")
        handing = Edit(path=compose, before=held, after=after)
        return (*changes, Changeset(name="compose", edits=(handing, named)))

    plan = _plan(_tree(), toy_gap(fix=fix, rules=closing.rules))
    assert _written(plan) == []
    assert {str(item.path) for item in plan.unresolved["toy"]} == {"barn/main.py", "coop/main.py"}
    assert "env example" in plan.unresolved["toy"][0].hint


def _reads_origins(tree: Tree, name: bytes) -> bool:
    return b"GATE_ORIGINS" in (tree.read(PurePosixPath(name.decode(), "main.py")) or b"")


def test_the_only_service_of_a_repository_is_kept_starting_too() -> None:
    """It stands at the top; beside services of their own folders the top is none."""
    compose = b"services:\n  coop:\n    build: .\n    environment:\n      STAGE: production\n"
    files = {"docker-compose.yml": compose, "requirements.txt": b"", "main.py": _OPEN}
    plan = _plan(MemoryTree(files), _closing(_IN_PRODUCTION))
    assert _written(plan) == []
    assert plan.unresolved["toy"][0].detail.startswith("the service would demand GATE_TOKEN")
    beside = files | {"barn/requirements.txt": b""}
    assert _written(_plan(MemoryTree(beside), _closing(_IN_PRODUCTION))) == ["main.py"]


def test_what_was_demanded_before_is_the_trees_own_affair() -> None:
    """Another module of the service does not start without it, before the fix either."""
    own = {"barn__gate.py": b"import os\n" + _BARE, "coop__gate.py": b"import os\n" + _BARE}
    assert _written(_plan(_tree(**own), _closing(_BARE))) == ["barn/main.py", "coop/main.py"]


def test_a_gap_without_a_place_to_leave_open_is_refused_whole() -> None:
    """Its edit goes nowhere near what its rules look at, so only the gap can be stopped."""

    def fix(tree: Tree) -> tuple[Changeset, ...]:
        path = PurePosixPath("barn/gate.py")
        edit = Edit(path=path, before=None, after=b"import os\n" + _BARE)
        return () if tree.read(path) else (Changeset(name="gate", edits=(edit,)),)

    plan = _plan(_tree(), toy_gap(fix=fix))
    assert _written(plan) == []
    assert "would demand GATE_TOKEN" in plan.unresolved["toy"][0].detail


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.py", "import os\nos.environ['A_KEY']\n", {("A_KEY", False)}),
        ("a.py", "import os\nos.environ['A_KEY'] = '1'\n", set()),
        ("a.py", "import os\nos.environ.get('A_KEY')\n", set()),
        ("a.py", "# os.environ['A_KEY']\n", set()),
        (
            "a.py",
            "import os\nif not os.getenv('A_KEY'):\n    raise E('A_KEY is required')\n",
            {("A_KEY", False)},
        ),
        ("a.py", "import os\nos.environ.get('B')\nraise E('HTTP_ERROR of another sort')\n", set()),
        ("a.py", "import os\nos.environ['A_KEY'\n", set()),
        (
            "a.py",
            "class Own(BaseSettings):\n    model_config = {'env_prefix': 'A_'}\n    key: str\n",
            {("A_KEY", False)},
        ),
        ("a.ts", "const key = requiredSecret('A_KEY')\n", {("A_KEY", False)}),
        ("a.ts", "const key = optionalSecret('A_KEY')\n", set()),
        ("a.ts", "const fs = require('fs'); require('A_KEY.json')\n", set()),
        (
            "a.js",
            "const key = process.env.A_KEY\nif (!key) throw new Error('A_KEY is not set')\n",
            {("A_KEY", False)},
        ),
        (
            "a.js",
            "if (inProduction()) { if (!process.env.A_KEY) throw new Error('A_KEY is missing') }\n",
            {("A_KEY", True)},
        ),
        ("a.js", "process.env.B_KEY; throw new Error('A_KEY is not set')\n", set()),
        (
            "a.js",
            "if (process.env.A_HOPS > 9) throw new Error('A_HOPS must be a number below 10')\n",
            set(),
        ),
        ("a.sql", "os.environ['A_KEY']\n", set()),
    ],
)
def test_what_a_source_demands_is_plain(name: str, text: str, found: set[tuple[str, bool]]) -> None:
    """A bare look-up, a message that names what is read, a function that requires it."""
    seen = demanded(PurePosixPath(name), text.encode())
    assert {(item.name, item.in_production) for item in seen} == found


@pytest.mark.parametrize(
    ("field", "found"),
    [
        (b"gate_token: str", ["APP_GATE_TOKEN"]),
        (b"gate_token: str = ''", []),
        (b"gate_token: str | None", []),
    ],
)
def test_a_setting_without_a_default_is_demanded(field: bytes, found: list[str]) -> None:
    """Pydantic refuses to make the settings without it, and names it; None is a value."""
    text = (
        b"class Own(BaseSettings):\n    model_config = C(env_prefix='app_')\n    " + field + b"\n"
    )
    assert [item.name for item in demanded(PurePosixPath("config.py"), text)] == found
