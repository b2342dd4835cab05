"""Gap 1: open cross-origin policies are found in every shape and mended byte by byte."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pytest

from closeout.engine import rules
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps.cors import GAP
from closeout.gaps.cors.detect import NAMED
from closeout.gaps.cors.fix import fix
from closeout.model import Changeset, Check, Edit, Reason, Tree
from closeout.resources import BUNDLE

REFERENCE = BUNDLE / "reference" / "farmiq"
MAIN = "cloud-layer/cloud-herd-service/app/main.py"
LINES = {
    "edge-vision-inference": 61,
    "cloud-llm-insights-service": 104,
    "cloud-advanced-analytics": 128,
    "cloud-analytics-service": 77,
    "cloud-inference-server": 116,
}
SIBLINGS = {"cloud-weather-service", "cloud-feed-planner"}
EXPRESS = {"cloud-identity-access", "cloud-ingestion"}


def service(cors: str, before: str = "", **others: str) -> MemoryTree:
    """Return a tree of one service whose main module sets CORS up as given."""
    main = (
        "from fastapi import FastAPI\n"
        "from fastapi.middleware.cors import CORSMiddleware\n"
        f"{before}\napp = FastAPI()\n{cors}\n"
    )
    files = {MAIN: main, "cloud-layer/cloud-herd-service/requirements.txt": "fastapi\n"}
    files |= {f"cloud-layer/cloud-herd-service/{path}": text for path, text in others.items()}
    return MemoryTree({path: text.encode() for path, text in files.items()})


def fixed(tree: Tree, changes: Iterable[Changeset]) -> Overlay:
    """Return the tree with the changes laid over it."""
    return Overlay(tree, (edit for change in changes for edit in change.edits))


def check(tree: Tree, criterion: str) -> Check:
    """Return the check of one criterion."""
    return next(item for item in rules.checks(GAP, tree) if item.criterion == criterion)


def wildcards(tree: Tree) -> list[int]:
    """Return the lines where a policy lets everybody in."""
    return [finding.line for finding in check(tree, "1.3").findings]


@pytest.fixture(scope="module")
def reference() -> DiskTree:
    """Return the reference monorepo, in its state before the order."""
    return DiskTree(REFERENCE)


@pytest.fixture(scope="module")
def mended(reference: DiskTree) -> Overlay:
    """Return the reference monorepo with this gap's changes."""
    return fixed(reference, fix(reference))


def test_detect_finds_the_named_lines_and_the_unnamed_siblings(reference: DiskTree) -> None:
    """The five lines of the order are found, and two services that it does not list."""
    findings = check(reference, "1.3").findings

    named = {item.path.parent.parent.name: item.line for item in findings if item.named}
    assert named == LINES
    assert {item.path.parent.parent.name for item in findings if not item.named} == SIBLINGS


def test_derive_leaves_nothing_open_and_nothing_to_do(mended: Overlay) -> None:
    """After the fix every check has looked at services and found nothing; a second fix is none."""
    assert [(len(item.findings), bool(item.examined)) for item in rules.checks(GAP, mended)] == [
        (0, True)
    ] * 4
    assert fix(mended) == ()


def test_derive_gives_each_service_a_changeset_and_the_compose_files_one(
    reference: DiskTree,
) -> None:
    """Services stand or fall alone; what they share is a changeset of its own."""
    names = [change.name for change in fix(reference)]

    assert sorted(names) == sorted([*LINES, *SIBLINGS, *EXPRESS, "charts", "compose"])


def test_derive_names_the_origins_in_a_chart(reference: DiskTree, mended: Overlay) -> None:
    """A chart gets an empty list, with which a service in production refuses to boot."""
    path = "cloud-layer/cloud-identity-access/helm/values.yaml"
    before, after = reference.read(path) or b"", mended.read(path) or b""

    assert [line for line in after.splitlines() if line not in before.splitlines()] == [
        b"  # Browser origins that may call this service, separated by commas.",
        b"  # In production it has to be set, or the service does not start.",
        b'  ALLOWED_ORIGINS: ""',
    ]
    taken_back = Overlay(mended)
    taken_back.lay(Edit(path=PurePosixPath(path), before=after, after=before))
    findings = [finding for check in rules.checks(GAP, taken_back) for finding in check.findings]
    assert [str(finding.path) for finding in findings] == [path]


def test_derive_writes_python_that_parses_and_keeps_other_lines(mended: Overlay) -> None:
    """Only the import and the call change; every other line keeps its bytes."""
    for edit in mended.edits:
        if edit.path.suffix == ".py":
            ast.parse(edit.after)
        if edit.path.name == "main.py" and edit.before is not None:
            kept = [line for line in edit.before.splitlines(keepends=True) if b"llow_" not in line]
            gone = [line for line in kept if line not in edit.after.splitlines(keepends=True)]
            assert all(
                line.strip() in {b"app.add_middleware(", b"CORSMiddleware,", b")"}
                or line.startswith(b"from ")
                for line in gone
            )


def test_derive_keeps_crlf_on_every_line(mended: Overlay) -> None:
    """The CRLF file has no bare newline after the fix."""
    content = mended.read("cloud-layer/cloud-analytics-service/app/main.py") or b""

    assert content.count(b"\n") == content.count(b"\r\n") > 0


def test_derive_takes_the_methods_from_the_routes(mended: Overlay) -> None:
    """A service with PATCH routes may be called with PATCH, one without may not."""
    planner = mended.read("cloud-layer/cloud-feed-planner/app/main.py") or b""
    weather = mended.read("cloud-layer/cloud-weather-service/app/main.py") or b""

    assert b'"PATCH"' in planner
    assert b'"x-farm-id"' in planner
    assert b'"PATCH"' not in weather


def test_derive_wires_the_variable_where_there_is_a_place(mended: Overlay) -> None:
    """Env examples name the variable and compose hands it through; none is invented."""
    examples = {edit.path.parent.name for edit in mended.edits if "env" in edit.path.name}
    compose = mended.read("cloud-layer/docker-compose.yml") or b""

    beside_compose = {"cloud-layer", "edge-layer"}
    services = {*LINES, "cloud-feed-planner", *EXPRESS} - {"cloud-inference-server"}
    assert examples == services | beside_compose
    assert compose.count(b"ALLOWED_ORIGINS") == 8


@pytest.mark.parametrize(
    ("cors", "before"),
    [
        ('app.add_middleware(CORSMiddleware, allow_origins=["*"])', ""),
        ('app.add_middleware(CORSMiddleware, allow_origins=("*",))', ""),
        ('app.add_middleware(CORSMiddleware, allow_origins=["https://a", "*"])', ""),
        ("app.add_middleware(CORSMiddleware, allow_origins=ORIGINS)", 'ORIGINS = ["*"]'),
        (
            'app.add_middleware(CORSMiddleware, allow_origins=os.getenv("O", "*").split(","))',
            "import os",
        ),
        ('app.add_middleware(CORSMiddleware, allow_origin_regex=".*")', ""),
        ('app.add_middleware(CORSMiddleware, allow_origin_regex=r"https?://.*")', ""),
        ("app.add_middleware(CORSMiddleware, **OPTIONS)", 'OPTIONS = {"allow_origins": ["*"]}'),
    ],
)
def test_fix_closes_every_shape_of_a_wildcard(cors: str, before: str) -> None:
    """Literal, variable, default, pattern and unpacked options are found, mended and stay so."""
    tree = service(cors, before)
    after = fixed(tree, fix(tree))

    assert wildcards(tree)
    assert not wildcards(after)
    assert not check(after, "1.2").findings
    assert fix(after) == ()


def test_fix_closes_a_default_in_the_settings() -> None:
    """A wildcard that stands in a settings class of another module is followed."""
    tree = service(
        "app.add_middleware(CORSMiddleware, allow_origins=settings.origins)",
        "from app.config import settings",
        **{"app/config.py": 'class Settings:\n    origins: list[str] = ["*"]\n'},
    )

    assert wildcards(tree) == [5]
    assert not wildcards(fixed(tree, fix(tree)))


@pytest.mark.parametrize(
    "origins",
    [
        'os.environ["ALLOWED_ORIGINS"].split(",")',
        '[o for o in os.getenv("ALLOWED_ORIGINS", "http://localhost:5135").split(",") if o]',
    ],
)
def test_detect_leaves_another_sound_fix_alone(origins: str) -> None:
    """A policy without a wildcard that reads the variable is closed, whoever wrote it."""
    cors = f"app.add_middleware(CORSMiddleware, allow_origins={origins})"
    tree = service(cors, "import os")

    assert not wildcards(tree)
    assert not check(tree, "1.2").findings
    assert fix(tree) == ()


@pytest.mark.parametrize(
    "near_miss",
    [
        '# app.add_middleware(CORSMiddleware, allow_origins=["*"])',
        '"""app.add_middleware(CORSMiddleware, allow_origins=["*"])"""',
        'app.add_middleware(GZipMiddleware, types=["*"])',
    ],
)
def test_detect_does_not_fire_on_a_near_miss(near_miss: str) -> None:
    """A comment, a string and another middleware's option are no policy."""
    assert not wildcards(service(near_miss))


def test_wildcard_beside_a_module_that_reads_the_variable_is_not_configurable() -> None:
    """A reader that nobody asks configures nothing; a default that it falls back to is one."""
    dead = {"app/origins.py": 'import os\nORIGINS = os.getenv("ALLOWED_ORIGINS", "*")\n'}
    literal = service('app.add_middleware(CORSMiddleware, allow_origins=["*"])', **dead)
    assert [item.line for item in check(literal, "1.2").findings if item.path.suffix == ".py"]
    asked = service(
        "app.add_middleware(CORSMiddleware, allow_origins=ORIGINS)",
        "from app.origins import ORIGINS",
        **dead,
    )
    assert not [item for item in check(asked, "1.2").findings if item.path.suffix == ".py"]


def test_pattern_of_one_domain_is_no_wildcard() -> None:
    """A pattern that only admits the platform's own hosts is left alone."""
    cors = (
        r'app.add_middleware(CORSMiddleware, allow_origin_regex=r"https://[a-z]+\.farm\.example")'
    )

    assert not wildcards(service(cors))


@pytest.mark.parametrize("pattern", ["https://(", "(https://a.example|" + "b" * 300 + ")"])
def test_pattern_that_nobody_tried_is_open(pattern: str) -> None:
    """One that is too long to be tried, and one that is none, may admit everybody."""
    cors = f'app.add_middleware(CORSMiddleware, allow_origin_regex="{pattern}")'
    assert check(service(cors), "1.3").findings


def test_derive_keeps_a_written_list_as_the_declared_origins() -> None:
    """Origins that a team wrote out stay trusted, and become configurable."""
    wiring = 'app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"])'
    tree = service(wiring, **{".env.example": "PORT=1\n"})
    after = fixed(tree, fix(tree))

    assert b'declared=("https://a.example",)' in (after.read(MAIN) or b"")
    (example,) = (path for path in after.paths() if path.name == ".env.example")
    assert b"ALLOWED_ORIGINS=https://a.example\n" in (after.read(example) or b"")
    assert not check(after, "1.2").findings


@pytest.mark.parametrize(
    ("before", "given"),
    [
        ("", "[settings.FRONT_PAGE]"),
        ("pages = [settings.FRONT_PAGE]\n", "pages"),
        ("", "[settings.FRONT_PAGE, 'https://a.example']"),
    ],
)
def test_derive_keeps_origins_that_code_says(before: str, given: str) -> None:
    """A front page that the settings name stays trusted, by the same words, where it was."""
    tree = service(
        f"app.add_middleware(CORSMiddleware, allow_origins={given}, allow_methods=['*'])\n",
        f"from app import settings\n{before}",
        **{"app/settings.py": "FRONT_PAGE = 'http://localhost:5173'\n"},
    )
    after = fixed(tree, fix(tree))
    text = (after.read(MAIN) or b"").decode()
    assert f"declared={given}" in text
    assert before in text
    ast.parse(text)
    assert rules.findings(rules.checks(GAP, after)) == ()


def test_policy_from_a_module_that_nobody_has_is_not_judged_closed() -> None:
    """Origins imported from outside of the service may be a star: somebody has to look."""
    tree = service(
        "from shelf.origins import PAGES\napp.add_middleware(CORSMiddleware, allow_origins=PAGES)\n"
    )
    assert [item.message for item in check(tree, "1.3").findings] == [
        "the service takes its policy from options that cannot be read"
    ]


@pytest.mark.parametrize(
    ("given", "module"),
    [
        ("settings.origins", "class Settings:\n    @property\n    def origins(self): ...\n"),
        ("settings()", "def settings(): return ['https://a.example']\n"),
    ],
)
def test_policy_from_a_module_of_the_service_is_no_foreign_one(given: str, module: str) -> None:
    """Near miss: code of the service says what is trusted, and nothing in it is a star."""
    tree = service(
        "from app.settings import settings\n"
        f"app.add_middleware(CORSMiddleware, allow_origins={given})\n",
        **{"app/settings.py": module},
    )
    assert check(tree, "1.3").findings == ()


def test_a_module_called_setup_is_no_manifest() -> None:
    """A package's own `setup.py` parts it from no sibling: the star beside it is followed."""
    files = {
        "desk/pyproject.toml": b"",
        "desk/main/__init__.py": b"",
        "desk/main/setup.py": b"def ready(): ...\n",
        "desk/main/app.py": b"from fastapi import FastAPI\n"
        b"from fastapi.middleware.cors import CORSMiddleware\n"
        b"from shelf.origins import PAGES\n"
        b"app = FastAPI()\n"
        b"app.add_middleware(CORSMiddleware, allow_origins=PAGES)\n",
        "desk/shelf/origins.py": b"import os\nSAID = os.environ.get('PAGES', '')\n"
        b"if SAID:\n    PAGES = SAID.split(',')\nelse:\n    PAGES = ['*']\n",
    }
    findings = check(MemoryTree(files), "1.3").findings
    assert [(str(item.path), item.line) for item in findings] == [("desk/main/app.py", 5)]
    assert "trusts every origin" in findings[0].message


def test_variable_goes_nowhere_where_nobody_reads_it() -> None:
    """A policy that is refused reads no variable of ours, so no compose file names one."""
    tree = service(
        "app.add_middleware(CORSMiddleware, allow_origins=pages())\n",
        "def pages(): return ['https://a.example']\n",
    )
    files = {str(path): tree.read(path) or b"" for path in tree.paths()}
    compose = b"services:\n  own:\n    build: ./cloud-layer/cloud-herd-service\n"
    foreign = MemoryTree({**files, "docker-compose.yml": compose})
    changes = fix(foreign)
    assert [item.reason for change in changes for item in change.unresolved] == [Reason.AMBIGUOUS]
    assert not any(change.edits for change in changes)


def test_derive_keeps_the_variable_that_a_service_has() -> None:
    """Its origins, and the cookies that hang on it, are as they were wherever it is set."""
    before = (
        "import os\nlisted = os.getenv('SHOP_ORIGINS', '')\n"
        "origins = listed.split(',') if listed else ['*']\ncookies = bool(listed)\n"
    )
    cors = "app.add_middleware(CORSMiddleware, allow_origins=origins, allow_credentials=cookies)"
    tree = service(cors, before)
    after = fixed(tree, fix(tree))
    assert b"    credentials=cookies,\n    declared=origins,\n" in (after.read(MAIN) or b"")
    assert wildcards(after) == []


def test_derive_refuses_a_closed_pattern_that_it_would_lose() -> None:
    """A list beside a pattern says not all of the origins."""
    cors = "CORSMiddleware, allow_origins=[], allow_origin_regex='http://localhost:[0-9]+'"
    (change,) = fix(service(f"app.add_middleware({cors})"))
    assert (change.edits, len(change.unresolved)) == ((), 1)


@pytest.mark.parametrize(
    ("said", "prefix", "is_ours"),
    [
        ("", "", True),
        (", alias='allowed_origins'", "", True),
        (", alias='DESK_ORIGINS'", "", False),
        (", validation_alias=AliasChoices('A', 'B')", "", False),
        (", env='DESK_ORIGINS'", "", False),
        ("", "model_config = {'env_prefix': 'D_'}", False),
        ("", "model_config = SettingsConfigDict(env_prefix='D_')", False),
        ("", "class Config:\n        env_prefix = 'D_'", False),
    ],
)
def test_example_names_the_variable_that_the_settings_class_reads(
    said: str, prefix: str, *, is_ours: bool
) -> None:
    """By its alias, or its name behind the class's prefix; one of ours would change nothing."""
    cors = "app.add_middleware(CORSMiddleware, allow_origins=Settings().allowed_origins)"
    field = f"    allowed_origins: list[str] = Field(default=['http://localhost:4000']{said})"
    settings = f"class Settings(BaseSettings):\n    {prefix or 'debug: bool = False'}\n{field}\n"
    files = {"app/settings.py": settings, ".env.example": "LEVEL=debug\n"}
    tree = service(cors, **files)
    edits = [edit for change in fix(tree) for edit in change.edits]
    example = next((edit.after for edit in edits if edit.path.name == ".env.example"), b"")
    assert (b"\nALLOWED_ORIGINS=" in example) is is_ours


def test_origins_of_a_foreign_tree_are_its_own() -> None:
    """Its dev servers, what its compose files publish, what its settings list: none of ours."""
    vite = '{"devDependencies": {"vite": "5.0.0"}, "scripts": {"dev": "vite"}}'
    told = {
        "web/package.json": vite,
        "web/vite.config.ts": "export default { server: { port: 5110 } };\n",
        "shop/package.json": '{"dependencies": {"next": "14.0.0"}, "scripts": {"dev": "next"}}',
        "api/package.json": '{"dependencies": {"express": "4.0.0"}, "scripts": {"dev": "x -p 1"}}',
        "compose.yml": "services:\n  web:\n    build: ./web\n    ports: ['8088:80']\n"
        "  api:\n    build: ./api\n    ports: ['9000:9000']\n",
        "old/.env.example": "CORS_ORIGIN=http://localhost:4000\nAPI=http://localhost:7000\n",
    }
    tree = service('app.add_middleware(CORSMiddleware, allow_origins=["*"])')
    files = {str(path): tree.read(path) or b"" for path in tree.paths()}
    tree = MemoryTree({**files, **{path: text.encode() for path, text in told.items()}})
    after = fixed(tree, fix(tree))
    policy = (after.read("cloud-layer/cloud-herd-service/app/cors.py") or b"").decode()
    (listed,) = [node for node in ast.parse(policy).body if "LOCAL_ORIGINS" in ast.unparse(node)][
        :1
    ]
    ports = {text.rpartition(":")[2] for text in ast.literal_eval(listed.value)}
    assert ports == {"5110", "3000", "8088", "4000"}


@pytest.mark.parametrize(
    "cors",
    [
        'front = CORSMiddleware(app, allow_origins=["*"])',
        'stack = [Middleware(CORSMiddleware, allow_origins=["*"])]',
        'def add(response):\n    response.headers["Access-Control-Allow-Origin"] = "*"',
    ],
)
def test_derive_refuses_what_it_cannot_replace_safely(cors: str) -> None:
    """A policy that is no statement of its own is reported with its line and not touched."""
    (change,) = fix(service(cors))

    assert change.edits == ()
    assert {item.reason for item in change.unresolved} == {Reason.AMBIGUOUS}
    assert all(item.line > 1 for item in change.unresolved)


def test_detect_reports_a_service_that_does_not_parse() -> None:
    """A broken candidate is unresolved with its line, never an exception and never edited."""
    tree = MemoryTree({MAIN: b"x = 1\napp = FastAPI(\n"})

    assert [(item.reason, item.line) for item in check(tree, "1.3").unresolved] == [
        (Reason.UNPARSABLE, 2)
    ]
    assert [change.edits for change in fix(tree)] == [()]


def test_detect_says_which_named_services_are_missing() -> None:
    """The order's own tree has most of its services; without the others 1.1 is not closed."""
    held = {str(path): b"from fastapi import FastAPI\napp = FastAPI()\n" for path in NAMED[:3]}
    missing = check(MemoryTree(held), "1.1").unresolved

    assert {item.path for item in missing} == set(NAMED[3:])
    assert {item.reason for item in missing} == {Reason.MISSING}


def test_a_tree_that_is_not_the_orders_own_misses_none_of_its_services() -> None:
    """Its services are all that 1.1 speaks of."""
    held = {str(path): b"from fastapi import FastAPI\napp = FastAPI()\n" for path in NAMED[:2]}
    seen = check(MemoryTree(held), "1.1")

    assert seen.unresolved == ()
    assert set(seen.examined) == set(NAMED[:2])


def test_named_service_without_a_policy_gets_one(tmp_path: Path) -> None:
    """Where the order asks for a list and there is no policy, one is installed."""
    place = tmp_path / str(NAMED[0])
    place.parent.mkdir(parents=True)
    place.write_bytes(b"from fastapi import FastAPI\n\napp = FastAPI()\n")
    tree = DiskTree(tmp_path)
    after = fixed(tree, fix(tree))

    assert b"app = FastAPI()\ninstall_cors(app, methods=" in (after.read(NAMED[0]) or b"")
    assert not check(after, "1.1").findings
    assert fix(after) == ()


def test_detect_notices_a_policy_that_nobody_installs(mended: Overlay) -> None:
    """The new module alone closes nothing: the call has to be there."""
    path = str(NAMED[3])
    files = {str(item): mended.read(item) or b"" for item in mended.paths()}
    files[path] = files[path].replace(b"install_cors(\r\n    app,", b"print(")

    findings = check(MemoryTree(files), "1.1").findings

    assert [item.path for item in findings] == [PurePosixPath(path)]


def test_derive_takes_another_name_where_cors_is_taken() -> None:
    """A module of that name that the team wrote is never overwritten."""
    tree = service(
        'app.add_middleware(CORSMiddleware, allow_origins=["*"])', **{"app/cors.py": "X = 1\n"}
    )
    after = fixed(tree, fix(tree))

    assert after.read("cloud-layer/cloud-herd-service/app/cors.py") == b"X = 1\n"
    assert b"from app.cors_policy import install_cors" in (after.read(MAIN) or b"")


def test_derive_drops_a_list_that_only_the_old_call_read() -> None:
    """No wildcard stays behind as a dead name; a list that is read elsewhere stays."""
    cors = "app.add_middleware(CORSMiddleware, allow_origins=ORIGINS)"
    alone = service(cors, 'ORIGINS = ["*"]')
    shared = service(f"{cors}\nprint(ORIGINS)", 'ORIGINS = ["*"]')

    assert b"ORIGINS = [" not in (fixed(alone, fix(alone)).read(MAIN) or b"")
    assert b'ORIGINS = ["*"]' in (fixed(shared, fix(shared)).read(MAIN) or b"")


def test_derive_keeps_the_import_of_a_policy_that_stays() -> None:
    """Of two policies only the open one is replaced, and the sound one still finds its class."""
    tree = service(
        "if app.debug:\n"
        '    app.add_middleware(CORSMiddleware, allow_origins=["*"])\n'
        "else:\n"
        "    app.add_middleware(CORSMiddleware, allow_origins=ALLOWED)",
        'import os\nALLOWED = os.environ["ALLOWED_ORIGINS"].split(",")',
    )
    content = fixed(tree, fix(tree)).read(MAIN) or b""

    assert b"import CORSMiddleware\nfrom app.cors import install_cors\n" in content
    assert b"    app.add_middleware(CORSMiddleware, allow_origins=ALLOWED)" in content
    assert b"    install_cors(" in content
