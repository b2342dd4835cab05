"""Gap 7: missing and half-hearted security headers are found, and put outermost."""

from __future__ import annotations

import ast
from collections.abc import Iterable

import pytest

from closeout.engine import rules
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps.cors.fix import fix as derive_cors
from closeout.gaps.headers import GAP
from closeout.gaps.headers.detect import NAMED
from closeout.gaps.headers.fix import fix
from closeout.model import Changeset, Finding, Reason, Tree
from closeout.resources import BUNDLE

REFERENCE = BUNDLE / "reference" / "farmiq"
FOLDER = "cloud-layer/cloud-herd-service"
MAIN = f"{FOLDER}/app/main.py"
PAIRS = (
    'response.headers["X-Frame-Options"] = "DENY"',
    'response.headers["X-Content-Type-Options"] = "nosniff"',
    'response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"',
)
OF_THE_ORDER = (
    "class SecurityHeadersMiddleware(BaseHTTPMiddleware):\n"
    "    async def dispatch(self, request, call_next):\n"
    "        response = await call_next(request)\n"
    + "".join(f"        {pair}\n" for pair in PAIRS)
    + "        return response\n"
)
OUTSIDE = (
    'FIELDS = {"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",\n'
    '          "Strict-Transport-Security": "max-age=63072000; includeSubDomains"}\n'
    "def harden(app):\n"
    "    build = app.build_middleware_stack\n"
    "    app.build_middleware_stack = lambda: Layer(build(), FIELDS)\n"
)


def service(text: str, **others: str) -> MemoryTree:
    """Return a tree of one service with `text` around its application."""
    main = f"from fastapi import FastAPI\n\n{text}"
    files = {MAIN: main, f"{FOLDER}/requirements.txt": "fastapi\n"}
    files |= {f"{FOLDER}/{path}": content for path, content in others.items()}
    return MemoryTree({path: content.encode() for path, content in files.items()})


def fixed(tree: Tree, changes: Iterable[Changeset]) -> Overlay:
    """Return the tree with the changes laid over it."""
    return Overlay(tree, (edit for change in changes for edit in change.edits))


def findings(tree: Tree, criterion: str) -> tuple[Finding, ...]:
    """Return what the check of one criterion found."""
    return next(item.findings for item in rules.checks(GAP, tree) if item.criterion == criterion)


def opened(tree: Tree) -> set[str]:
    """Return the criteria that are open."""
    return {item.criterion for item in rules.checks(GAP, tree) if item.findings}


@pytest.fixture(scope="module")
def reference() -> DiskTree:
    """Return the reference monorepo, in its state before the order."""
    return DiskTree(REFERENCE)


@pytest.fixture(scope="module")
def mended(reference: DiskTree) -> Overlay:
    """Return the reference monorepo with this gap's changes."""
    return fixed(reference, fix(reference))


def test_detect_finds_the_named_services_and_their_siblings(reference: DiskTree) -> None:
    """Five services of the order and two that it does not list answer bare."""
    for criterion in ("7.1", "7.2", "7.3", "7.4"):
        found = findings(reference, criterion)
        assert {item.path for item in found if item.named} == set(NAMED)
        assert len([item for item in found if not item.named]) == 2


def test_derive_leaves_nothing_open_and_nothing_to_do(mended: Overlay) -> None:
    """After the fix every check has looked at services and found nothing; a second fix is none."""
    assert [(len(item.findings), bool(item.examined)) for item in rules.checks(GAP, mended)] == [
        (0, True)
    ] * 4
    assert fix(mended) == ()


@pytest.mark.parametrize("headers_first", [True, False])
def test_fix_composes_with_the_cors_fix_in_both_orders(
    reference: DiskTree,
    headers_first: bool,
) -> None:
    """Whichever is laid first, the headers' call stands below the policy's: outermost."""
    steps = [fix, derive_cors] if headers_first else [derive_cors, fix]
    tree: Tree = reference
    for step in steps:
        tree = fixed(tree, step(tree))

    for path in NAMED:
        content = tree.read(path) or b""
        ast.parse(content)
        assert content.rindex(b"install_security_headers(") > content.rindex(b"install_cors(")
    assert not opened(tree)


def test_derive_only_inserts_and_keeps_crlf(mended: Overlay) -> None:
    """No line of a main module is lost, and the CRLF file stays CRLF throughout."""
    for edit in mended.edits:
        if edit.path.name == "main.py" and b"uvicorn.run" not in edit.after:
            kept = iter(edit.after.splitlines(keepends=True))
            assert all(line in kept for line in (edit.before or b"").splitlines(keepends=True))
    content = mended.read(NAMED[3]) or b""
    assert content.count(b"\n") == content.count(b"\r\n") > 0


def test_derive_starts_uvicorn_without_its_banner(mended: Overlay) -> None:
    """Launch lists, launch lines and `uvicorn.run` all switch the banner off."""
    lists = mended.read("edge-layer/edge-vision-inference/Dockerfile") or b""
    line = mended.read("cloud-layer/cloud-analytics-service/Dockerfile") or b""
    called = mended.read("cloud-layer/cloud-inference-server/app/main.py") or b""

    assert b'"5107", "--no-server-header"]' in lists
    assert b"${APP_PORT:-5124} --no-server-header\n" in line
    assert b", server_header=False)" in called


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            'CMD ["sh", "-lc", "uvicorn a:b --port $P"]',
            'CMD ["sh", "-lc", "uvicorn {} a:b --port $P"]',
        ),
        ("CMD alembic upgrade head && uvicorn a:b", "CMD alembic upgrade head && uvicorn {} a:b"),
        ("CMD uvicorn a:b \\\n  --port 80", "CMD uvicorn {} a:b \\\n  --port 80"),
        ("CMD python -m uvicorn a:b", "CMD python -m uvicorn {} a:b"),
        (
            'ENTRYPOINT ["sh", "-c", "exec uvicorn a:b"]',
            'ENTRYPOINT ["sh", "-c", "exec uvicorn {} a:b"]',
        ),
        (
            "CMD uvicorn a:b\nFROM x\nCMD exec uvicorn a:b",
            "CMD uvicorn a:b {}\nFROM x\nCMD exec uvicorn a:b {}",
        ),
        ("CMD pip install uvicorn x && uvicorn a:b", "CMD pip install uvicorn x && uvicorn {} a:b"),
        ("CMD gunicorn -k uvicorn.workers.UvicornWorker a:b", ""),
        ("CMD uvicorn a:b \\\n  --no-server-header", ""),
    ],
)
def test_derive_starts_uvicorn_without_its_banner_in_a_shell_and_in_every_stage(
    before: str, after: str
) -> None:
    """The flag stands where it is an option of uvicorn's, whatever else the line holds.

    Where else: a command that only a compose file or a manifest says keeps the banner.
    """
    tree = service("app = FastAPI()\n", Dockerfile=f"FROM python\n{before}\n")
    made = fixed(tree, fix(tree)).read(f"{FOLDER}/Dockerfile")
    wanted = after.replace("{}", "--no-server-header") or before
    assert made == f"FROM python\n{wanted}\n".encode()


@pytest.mark.parametrize("packed", ["{'port': 1}", "{'server_header': True}"])
def test_derive_leaves_a_packed_setting_of_the_banner_as_it_is(packed: str) -> None:
    """An option that is given twice would end the start."""
    text = f"import uvicorn\napp = FastAPI()\nconfig = {packed}\nuvicorn.run(app, **config)\n"
    content = fixed(service(text), fix(service(text))).read(MAIN) or b""
    assert b'uvicorn.run(app, **{"server_header": False, **config})' in content
    ast.parse(content)


def test_derive_keeps_one_argument_a_line() -> None:
    """A call that is written over lines gets a line more, with its comma where it had one."""
    text = (
        "import uvicorn\napp = FastAPI()\nif __name__ == '__main__':\n"
        "    uvicorn.run(\n        app,\n        port=8000,\n    )\n"
    )
    content = fixed(service(text), fix(service(text))).read(MAIN) or b""
    assert b"        port=8000,\n        server_header=False,\n    )\n" in content


def test_derive_stands_before_a_main_guard_and_before_a_return(mended: Overlay) -> None:
    """Everything about the application is said before the headers go around it."""
    guarded = mended.read("cloud-layer/cloud-inference-server/app/main.py") or b""
    factory = mended.read("cloud-layer/cloud-llm-insights-service/app/main.py") or b""

    assert b"install_security_headers(app)\n\n\nif __name__" in guarded
    assert b"    install_security_headers(app)\n    return app\n" in factory


def test_headers_added_inside_the_error_handler_are_open_but_set() -> None:
    """The order's own snippet sets the three headers and still misses the 500."""
    text = f"{OF_THE_ORDER}\napp = FastAPI()\napp.add_middleware(SecurityHeadersMiddleware)\n"
    tree = service(text)

    assert opened(tree) == {"7.1"}
    assert "500" in findings(tree, "7.1")[0].message
    assert not opened(fixed(tree, fix(tree)))


def test_class_of_headers_that_nobody_adds_closes_nothing() -> None:
    """A middleware that is defined and not installed sets no header."""
    tree = service(f"{OF_THE_ORDER}\napp = FastAPI()\n")

    assert opened(tree) == {"7.1", "7.2", "7.3", "7.4"}


def test_header_of_a_single_route_closes_nothing() -> None:
    """One route that sets nosniff for its download does not protect the others."""
    text = f"app = FastAPI()\n@app.get('/file')\ndef file(response):\n    {PAIRS[1]}\n"

    assert "7.3" in opened(service(text))


def test_another_layer_around_the_whole_stack_is_left_alone() -> None:
    """A sound fix of a team's own, in a module of its own, is closed and not touched."""
    text = "from app.layer import harden\napp = FastAPI()\nharden(app)\n"
    tree = service(text, **{"app/layer.py": OUTSIDE})

    assert not opened(tree)
    assert fix(tree) == ()


@pytest.mark.parametrize(
    ("good", "weak", "criterion"),
    [
        ('"DENY"', '"SAMEORIGIN"', "7.2"),
        ('"nosniff"', '"sniff"', "7.3"),
        ("max-age=63072000", "max-age=3600", "7.4"),
        ("; includeSubDomains", "", "7.4"),
    ],
)
def test_weak_value_is_open(good: str, weak: str, criterion: str) -> None:
    """A header with a value that protects less than the order asks for is a finding."""
    text = "from app.layer import harden\napp = FastAPI()\nharden(app)\n"
    tree = service(text, **{"app/layer.py": OUTSIDE.replace(good, weak)})

    assert opened(tree) == {criterion}
    assert not opened(fixed(tree, fix(tree)))


@pytest.mark.parametrize(
    "near_miss",
    ["# app = FastAPI()\n", 'text = "app = FastAPI()"\n', "class FastAPI: ...\napp = Other()\n"],
)
def test_detect_does_not_fire_on_a_near_miss(near_miss: str) -> None:
    """A quoted application is none."""
    assert not opened(service(near_miss))


def test_derive_refuses_a_factory_that_returns_something_else() -> None:
    """Without a place for the call the service is reported with its line and not edited."""
    tree = service("def make():\n    app = FastAPI()\n    return wrap(app)\n")

    (change,) = fix(tree)

    assert change.edits == ()
    assert [(item.reason, item.line) for item in change.unresolved] == [(Reason.AMBIGUOUS, 4)]


def test_two_factories_of_one_name_are_two_applications() -> None:
    """What one of them returns without the headers is not covered by the other's."""
    here = "cloud-layer/cloud-herd-service/app/main.py"
    beside = "cloud-layer/cloud-herd-service/app/health.py"
    files = {
        here: b"from fastapi import FastAPI\ndef make():\n    app = FastAPI()\n    return app\n"
        b"app = make()\n",
        beside: b"from starlette.applications import Starlette\ndef make():\n"
        b"    return Starlette()\n",
        "cloud-layer/cloud-herd-service/requirements.txt": b"fastapi\n",
    }
    tree = MemoryTree(files)
    after = fixed(tree, fix(tree))
    assert (after.read(here) or b"").count(b"install_security_headers(app)") == 1
    assert {str(item.path) for item in rules.findings(rules.checks(GAP, after))} == {beside}


def test_detect_reports_a_service_that_does_not_parse() -> None:
    """A broken candidate is unresolved, never an exception and never edited."""
    tree = MemoryTree({MAIN: b"app = FastAPI(\n"})

    assert all(
        Reason.UNPARSABLE in {item.reason for item in found.unresolved}
        for found in rules.checks(GAP, tree)
    )
    assert [change.edits for change in fix(tree)] == [()]
