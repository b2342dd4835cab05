"""The Python anchors: byte-exact places, whatever the file's encoding and line endings."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from closeout.fs.text_edit import splice
from closeout.fs.tree import MemoryTree
from closeout.gaps.cors.page_headers import request_headers
from closeout.parsing import python_modules
from closeout.parsing.fastapi import services
from closeout.parsing.python import AppCreation, Module, parse
from closeout.parsing.python_modules import PythonModules
from closeout.parsing.python_placement import (
    after_creation,
    before_serving,
    import_line,
    package_of,
)
from closeout.parsing.python_values import PythonValues

PATH = PurePosixPath("app/main.py")
APP = b"""import os
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI(title="caf\xc3\xa9"); app.add_middleware(CORSMiddleware, allow_origins=["*"])
"""


def text_of(module: Module, start: int, end: int) -> bytes:
    """Return the bytes of a span."""
    return module.content[start:end]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_span_is_byte_exact_behind_accents_marks_and_endings(mark: bytes, ending: bytes) -> None:
    """A call behind a two-byte letter is cut out exactly in every kind of file."""
    module = parse(mark + APP.replace(b"\n", ending))

    span = module.cors_calls[0].span

    expected = b'app.add_middleware(CORSMiddleware, allow_origins=["*"])'
    assert text_of(module, span.start, span.end) == expected


def test_first_line_is_offset_by_the_mark() -> None:
    """A statement on line 1 of a file with a byte order mark starts behind the mark."""
    module = parse(b"\xef\xbb\xbfx = 1\n")

    span = module.span(module.tree.body[0])

    assert text_of(module, span.start, span.end) == b"x = 1"


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"x = (\n1\n", 1), (b"x = 1\ny = '\xff'\n", 2), (b"x\0", 1), (b"(" * 3000, 1)],
    ids=["unclosed", "not-utf8", "nul", "deep"],
)
def test_parse_refuses_what_is_no_python(content: bytes, line: int) -> None:
    """Every unreadable source ends in a SyntaxError that names its line."""
    with pytest.raises(SyntaxError) as caught:
        parse(content)

    assert (caught.value.lineno or 1) == line


def test_parse_keeps_quiet_about_a_foreign_invalid_escape() -> None:
    """A warning of the foreign file's own must not become our error."""
    assert parse(b"pattern = '\\d'\n").tree.body


def _apps(module: Module) -> tuple[AppCreation, ...]:
    return module.applications(module.app_classes)


def test_apps_are_found_through_imports_and_scopes() -> None:
    """Module-level, factory and aliased applications are named; a stranger's class is not."""
    module = parse(
        b"import fastapi\nfrom fastapi import FastAPI as Door\nfrom other import FastAPI\n"
        b"one = fastapi.FastAPI()\ntwo = FastAPI()\n"
        b"def create():\n    app: Door = Door()\n    return app\n"
    )

    assert [(app.name, app.scope is None) for app in _apps(module)] == [
        ("one", True),
        ("app", False),
    ]


def test_cors_calls_ignore_comments_and_strings() -> None:
    """A defect that is only quoted is none."""
    module = parse(
        b'# app.add_middleware(CORSMiddleware, allow_origins=["*"])\nx = "CORSMiddleware("\n'
    )

    assert module.cors_calls == ()


def test_cors_options_follow_an_unpacked_dictionary() -> None:
    """Options kept in a dictionary count as if they were written in the call."""
    module = parse(b'O = {"allow_origins": ["*"]}\napp.add_middleware(CORSMiddleware, **O)\n')

    assert set(module.cors_calls[0].options) == {"allow_origins"}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('["*"]', {"*"}),
        ("ORIGINS", {"*", "https://a"}),
        ('os.getenv("X", "*").split(",")', {"*"}),
        ("settings.origins", {"https://s"}),
        ("given()", {"https://g"}),
        ('[item.strip() for item in os.environ.get("X", "a,b").split(",")]', {"a,b"}),
        ('os.environ["X"]', {"X"} - {"X"}),
        ('["a"] if debug else ["b"]', {"a", "b"}),
    ],
)
def test_values_follow_names_defaults_and_functions(expression: str, expected: set[str]) -> None:
    """Every literal that an expression can come to is found, and nothing else."""
    source = (
        'import os\nORIGINS = ["*"]\nORIGINS = ORIGINS + ["https://a"]\n'
        'class Settings:\n    origins: list = ["https://s"]\n'
        'def given():\n    return ("https://g",)\n'
        f"probe = {expression}\n"
    )
    module = parse(source.encode())

    found = PythonValues(PythonModules({PATH: module.content})).strings(
        module.assigned("probe")[0], module
    )

    assert found == expected


def test_services_hold_routes_headers_and_leave_tests_out() -> None:
    """A service knows the methods of all its routers; its tests are not part of it."""
    tree = MemoryTree(
        {
            "svc/requirements.txt": b"fastapi\n",
            "svc/app/main.py": APP,
            "svc/app/plans.py": b"@router.patch('/x')\ndef f(x_farm: str = Header()): ...\n"
            b"router.add_api_route('/y', f, methods=['PUT'])\n"
            b"client.delete('/other')\nz = request.headers.get('X-Role')\n",
            "svc/tests/test_main.py": APP + b"@app.delete('/t')\ndef t(): ...\n",
        }
    )

    (service,) = services(tree)

    assert service.folder == PurePosixPath("svc")
    assert service.route_methods == {"PATCH", "PUT"}
    assert request_headers(service) == {"x-farm", "x-role"}
    assert PurePosixPath("svc/tests/test_main.py") not in service.modules


def test_services_report_a_candidate_that_does_not_parse() -> None:
    """A broken file that names FastAPI is reported with its line, another broken file is not."""
    tree = MemoryTree({"svc/main.py": b"app = FastAPI(\n", "svc/notes.py": b"x = (\n"})

    (service,) = services(tree)

    assert [(str(item.path), item.line) for item in service.unparsable] == [("svc/main.py", 1)]


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        (b"from app.config import x\n", "app."),
        (b"from .config import x\n", "."),
        (b"import os\n", "app."),
        (b"from app import config\n", "app."),
    ],
)
def test_package_of_follows_the_imports_of_the_file(imports: bytes, expected: str) -> None:
    """A new import is written in the way the file writes its own."""
    main, config = PurePosixPath("svc/app/main.py"), PurePosixPath("svc/app/config.py")
    modules = PythonModules({main: imports, config: b""})

    assert package_of(modules, main, PurePosixPath("svc")) == expected


@pytest.mark.parametrize(
    ("files", "launch", "expected"),
    [
        ({"desk/main.py": "from desk.config import X", "desk/config.py": ""}, "", "desk."),
        ({"desk/main.py": "import os", "desk/config.py": ""}, "uvicorn desk.main:app", "desk."),
        ({"desk/main.py": "import os", "desk/config.py": ""}, "uvicorn main:app", ""),
        ({"desk/main.py": "import config", "desk/config.py": ""}, "", ""),
        (
            {"desk/api/v1/main.py": "from settings import X", "desk/settings.py": ""},
            "",
            "api.v1.",
        ),
        (
            {"desk/api/main.py": "", "desk/run.py": "from api.main import app"},
            "",
            "api.",
        ),
    ],
    ids=["own-package", "launched-so", "launched-flat", "flat", "below-the-root", "by-another"],
)
def test_package_of_follows_the_service(files: dict[str, str], launch: str, expected: str) -> None:
    """Where the package is imported from shows in its modules' imports, and in what starts it."""
    modules = PythonModules({PurePosixPath(path): text.encode() for path, text in files.items()})
    main = next(path for path in modules if path.stem == "main")

    assert package_of(modules, main, PurePosixPath("desk"), launch.encode()) == expected


def test_package_of_parses_no_module_that_it_need_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file's own imports tell it: a large service has hundreds of others."""
    parsed: list[bytes] = []

    def noted(content: bytes) -> Module:
        parsed.append(content)
        return parse(content)

    monkeypatch.setattr(python_modules, "parse", noted)
    main, config = PurePosixPath("desk/app/main.py"), PurePosixPath("desk/app/config.py")
    others = {PurePosixPath(f"desk/app/part_{number}.py"): b"x = 1\n" for number in range(9)}
    modules = PythonModules({main: b"from app.config import x\n", config: b"", **others})

    assert package_of(modules, main, PurePosixPath("desk")) == "app."
    assert b"x = 1\n" not in parsed


def test_import_line_goes_after_a_parenthesised_import() -> None:
    """The new import never lands inside another."""
    module = parse(b"from a import (\n    b,\n)\n\nx = 1\n")

    after = splice(module.content, [import_line(module, "import c")])

    assert after == b"from a import (\n    b,\n)\nimport c\n\nx = 1\n"


def test_before_serving_stands_before_a_main_guard_and_a_return() -> None:
    """The call comes last at module level, and before the return in a factory."""
    guarded = parse(
        b"from fastapi import FastAPI\napp = FastAPI()\n\n\nif __name__ == '__main__':\n    run()\n"
    )
    factory = parse(b"from fastapi import FastAPI\ndef f():\n    app = FastAPI()\n    return app\n")

    at_end = splice(guarded.content, before_serving(guarded, _apps(guarded)[0], "go(app)"))
    inside = splice(factory.content, before_serving(factory, _apps(factory)[0], "go(app)"))

    assert b"\n\n\ngo(app)\n\n\nif __name__" in at_end
    assert b"    app = FastAPI()\n    go(app)\n    return app\n" in inside


_APP = b"from fastapi import FastAPI\napp = FastAPI()\n"
_GUARD = b"if __name__ == '__main__':\n    run()\n"
_FACTORY = b"from fastapi import FastAPI\ndef f():\n    app = FastAPI()\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (_APP + b"\n# By hand:\n# one worker.\n" + _GUARD, b"\n# By hand:\n# one worker.\n"),
        (_APP + b"# By hand.\n" + _GUARD, b"# By hand.\n"),
        (
            _FACTORY + b"    # All is said.\n    return app\n",
            b"    # All is said.\n    return app\n",
        ),
    ],
)
def test_before_serving_leaves_a_comment_with_what_it_speaks_of(
    before: bytes, after: bytes
) -> None:
    """The call stands above the comment, not between it and its statement."""
    module = parse(before)
    made = splice(before, before_serving(module, _apps(module)[0], "go(app)"))

    head, _, rest = made.partition(b"go(app)\n")
    assert head.strip() + b"\n" == before.partition(after)[0].strip() + b"\n"
    assert rest.lstrip(b"\n").startswith(after.lstrip(b"\n"))
    assert sorted(made.replace(b"go(app)", b"").split()) == sorted(before.split())


@pytest.mark.parametrize(
    "above",
    [
        b"# The routes end here.\n\n\n",
        b"def g():\n    x = 1\n    # a deeper one\n",
        b'NOTE = """\n# no comment"""\n',
        b"x = 1  # of this line\n",
    ],
)
def test_before_serving_passes_no_other_line(above: bytes) -> None:
    """A comment that stands apart, inside a block, in a string, or behind code."""
    module = parse(_APP + above + _GUARD)
    made = splice(module.content, before_serving(module, _apps(module)[0], "go(app)"))

    assert made == _APP + above + b"go(app)\n\n\n" + _GUARD


def test_before_serving_keeps_a_missing_final_newline() -> None:
    """A file without a final newline has none afterwards."""
    module = parse(b"from fastapi import FastAPI\napp = FastAPI()")

    after = splice(module.content, before_serving(module, _apps(module)[0], "go(app)"))
    created = splice(module.content, [after_creation(module, _apps(module)[0], "go(app)")])

    assert after == module.content + b"\n\ngo(app)"
    assert created == module.content + b"\ngo(app)"


def test_long_chains_do_not_exhaust_the_stack() -> None:
    """Hundreds of `elif` branches and joined strings, as generators write them, are followed."""
    branches = "".join(f"elif x == {number}:\n    y = {number}\n" for number in range(900))
    joined = " + ".join(["a"] * 900)
    module = parse(f'a = "*"\nif x:\n    y = 0\n{branches}z = {joined}\n'.encode())

    assert len(module.assigned("y")) == 901
    assert PythonValues(PythonModules({PATH: module.content})).strings(
        module.assigned("z")[0], module
    ) == {"*"}
