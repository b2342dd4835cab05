"""Both suites run for real on the reference monorepo, and no small tree cheats the gate."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from closeout import writer
from closeout.bundle import BUNDLE
from closeout.gaps.billing_tests import GAP as BILLING_GAP
from closeout.gaps.cors import GAP as CORS_GAP
from closeout.gaps.headers import GAP as HEADERS_GAP
from closeout.gaps.vision_tests import GAP as VISION_GAP
from closeout.gates import Floors, Rows
from closeout.probes import coverage, offline, service_copy
from closeout.tree import DiskTree, Overlay

pytestmark = pytest.mark.live

OURS = Floors(statements=90, branches=85)
SERVICES = (service_copy.BILLING_SERVICE, service_copy.VISION_SERVICE)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder where Node packages are installed once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the two services as they are before the fix."""
    root = tmp_path_factory.mktemp("before")
    for service in SERVICES:
        writer.copy_tree(DiskTree(BUNDLE / "reference" / "farmiq" / service), root / service)
    return root


@pytest.fixture(scope="module")
def after(before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the two services with every gap closed that touches them."""
    overlay = Overlay(DiskTree(before))
    for gap in (CORS_GAP, BILLING_GAP, VISION_GAP, HEADERS_GAP):
        for changeset in gap.derive(overlay):
            for edit in changeset.edits:
                overlay.lay(edit)
    root = tmp_path_factory.mktemp("after")
    writer.copy_tree(overlay, root)
    return root


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a throw-away PostgreSQL."""
    with offline.database(tmp_path_factory.mktemp("postgres")) as address:
        assert address is not None
        yield address


def verdicts(rows: Rows) -> dict[str, bool | None]:
    """Return each criterion's verdict."""
    return {criterion: seen.passed for _, criterion, seen in rows}


def told(rows: Rows, criterion: str) -> str:
    """Return what the gate saw of one criterion."""
    return next(seen.observed for _, number, seen in rows if number == criterion)


def shares(rows: Rows, criterion: str) -> list[float]:
    """Return the covered percentages of statements and branches."""
    words = told(rows, criterion).replace("(", " ").split()
    return [float(words[number - 1]) for number, word in enumerate(words) if word.startswith("%")]


def vision_python() -> Path:
    """Return the interpreter that has the vision suite's packages."""
    return Path(os.environ["CLOSEOUT_VISION_PYTHON"])


@pytest.mark.needs("npm")
def test_billing_gate_is_red_before_the_fix_and_green_after_it(
    before: Path, after: Path, cache: Path, dsn: str, tmp_path: Path
) -> None:
    """The very suite that is installed passes, above the floors we set ourselves."""
    red = coverage.run_billing(before, tmp_path / "before", cache=cache, dsn=dsn)
    green = coverage.run_billing(after, tmp_path / "after", cache=cache, dsn=dsn)

    assert set(verdicts(red).values()) == {False}
    assert "no test was collected" in told(red, "M.4")
    assert set(verdicts(green).values()) == {True}
    statements, branches = shares(green, "5.5")
    assert statements > OURS.statements
    assert branches > OURS.branches


@pytest.mark.needs("npm")
def test_billing_gate_says_not_run_when_there_is_no_database(
    after: Path, cache: Path, tmp_path: Path
) -> None:
    """Tests that were skipped for want of a server are not called passed."""
    rows = coverage.run_billing(after, tmp_path, cache=cache, dsn=None)

    assert verdicts(rows)["M.4"] is None
    assert "PostgreSQL" in told(rows, "M.4")


def cheated(after: Path, root: Path, edits: list[tuple[str, str, str]]) -> Path:
    """Return a copy of the fixed tree with one text of each named billing file replaced."""
    writer.copy_tree(DiskTree(after), root)
    for file, old, new in edits:
        place = root / service_copy.BILLING_SERVICE / file
        text = place.read_text()
        assert old in text
        place.write_text(text.replace(old, new, 1))
    return root


@pytest.mark.needs("npm")
def test_billing_gate_measures_every_file_when_a_configuration_hides_some(
    after: Path, cache: Path, dsn: str, tmp_path: Path
) -> None:
    """Neither a short list, nor an ignored path, nor a comment takes code out of the measure."""
    edits = [
        ("jest.config.js", "coverageThreshold", "coveragePathIgnorePatterns: ['store'], old"),
        ("jest.config.js", "'src/**/*.ts', ", "'src/services/invoiceService.ts', "),
        ("src/domain/money.ts", "import", "/* istanbul ignore file */\nimport"),
        ("src/app.ts", "const app", "/* istanbul ignore next */\n  const app"),
    ]
    root = cheated(after, tmp_path / "root", edits)

    seen = told(coverage.run_billing(root, tmp_path / "run", cache=cache, dsn=dsn), "5.5")

    assert "statements 401/401" in seen
    assert "13 of 13 files measured" in seen
    assert "2 comments that hide code from coverage lifted" in seen


@pytest.mark.needs("npm")
def test_billing_gate_tells_every_test_that_proves_nothing_when_a_suite_has_some(
    after: Path, cache: Path, dsn: str, tmp_path: Path
) -> None:
    """Tests that are skipped, never collected, hollow or not awaited make the suite red."""
    edits = [
        ("jest.config.js", "['**/*.test.ts']", "['**/{app,inv}*.test.ts']"),
        ("tests/app.test.ts", "  it('is healthy", "  it.skip('is healthy"),
        ("tests/app.test.ts", "    await expect(post('/pay", "    expect(post('/pay"),
        ("tests/invoiceService.test.ts", "\nconst items", "\nit('x', () => {});\nconst items"),
    ]
    root = cheated(after, tmp_path / "root", edits)

    rows = coverage.run_billing(root, tmp_path / "run", cache=cache, dsn=dsn)

    assert verdicts(rows)["M.4"] is False
    assert verdicts(rows)["5.3"] is False
    seen = told(rows, "M.4")
    for trick in ("1 skipped", "not collected", "asserts nothing", "nobody awaits"):
        assert trick in seen


@pytest.mark.needs("vision-env")
def test_vision_gate_is_red_before_the_fix_and_green_after_it(
    before: Path, after: Path, tmp_path: Path
) -> None:
    """The very suite that is installed passes, above the floors we set ourselves."""
    red = coverage.run_vision(before, tmp_path / "before", python=vision_python())
    green = coverage.run_vision(after, tmp_path / "after", python=vision_python())

    assert set(verdicts(red).values()) == {False}
    assert "No module named 'app'" in told(red, "M.5")
    assert set(verdicts(green).values()) == {True}
    statements, branches = shares(green, "6.5")
    assert statements > OURS.statements
    assert branches > OURS.branches


HONEST = "from app.a import f\n\n\ndef test_f():\n    assert f(1) == 2\n"
LONG = "".join(f"    x = {number}\n" for number in range(9))
SMALL = {
    "pytest.ini": "[pytest]\npythonpath = .\n",
    "app/__init__.py": "",
    "app/a.py": "def f(x):\n    return x + 1\n",
    "app/b.py": f"def g():\n{LONG}    return x\n",
    "tests/test_a.py": HONEST,
}


@pytest.mark.needs("vision-env")
@pytest.mark.parametrize(
    ("files", "criterion", "seen"),
    [
        ({".coveragerc": "[run]\nomit = app/b.py\n"}, "6.5", "3 of 3 files"),
        ({"pytest.ini": SMALL["pytest.ini"] + "addopts = --no-cov\n"}, "6.5", "3 of 3 files"),
        ({"app/b.py": f"def g():  # pragma: no cover\n{LONG}"}, "6.5", "3 of 3 files"),
        ({"tests/test_a.py": HONEST.replace("def", "async def")}, "M.5", "failed"),
        ({"tests/test_a.py": HONEST + "\n\ndef test_g():\n    f(1)\n"}, "M.5", "asserts nothing"),
        (
            {
                "tests/test_a.py": "import pytest\n"
                + HONEST.replace("def", "@pytest.mark.xfail\ndef")
            },
            "M.5",
            "failed",
        ),
        (
            {
                "tests/test_a.py": "import pytest\n"
                + HONEST.replace("def", "@pytest.mark.skip\ndef")
            },
            "M.5",
            "1 skipped",
        ),
        (
            {
                "tests/test_a.py": HONEST
                + "\n\nasync def g():\n    assert f(1) == 9\n"
                + "\n\ndef test_g():\n    g()\n    assert f\n"
            },
            "M.5",
            "failed",
        ),
        ({"tests/test_a.py": None}, "M.5", "no test was collected"),
        (
            {"conftest.py": "collect_ignore = ['tests/test_b.py']\n", "tests/test_b.py": HONEST},
            "M.5",
            "not collected: tests/test_b.py",
        ),
        (
            {"pytest.ini": "[pytest]\npythonpath = .\naddopts = -k nothing\n"},
            "6.5",
            "3 of 3 files",
        ),
    ],
    ids=[
        "omit",
        "no-cov",
        "pragma",
        "async-test",
        "hollow",
        "xfail",
        "skip",
        "un-awaited",
        "no-tests",
        "ignored-file",
        "deselected",
    ],
)
def test_vision_gate_is_not_fooled_when_a_suite_cheats(
    tmp_path: Path, files: dict[str, str | None], criterion: str, seen: str
) -> None:
    """The gate brings its own configuration and flags, and counts for itself."""
    service = tmp_path / "root" / service_copy.VISION_SERVICE
    for name, text in {**SMALL, **files}.items():
        if text is not None:
            (service / name).parent.mkdir(parents=True, exist_ok=True)
            (service / name).write_text(text)

    rows = coverage.run_vision(tmp_path / "root", tmp_path / "run", python=vision_python())

    assert verdicts(rows)[criterion] is False
    assert seen in told(rows, criterion)


@pytest.mark.needs("vision-env")
def test_vision_gate_says_not_run_when_its_environment_lacks_a_module(tmp_path: Path) -> None:
    """A service that needs more than the environment has is not called failed."""
    service = tmp_path / "root" / service_copy.VISION_SERVICE
    for name, text in {**SMALL, "app/a.py": "import torch\n"}.items():
        (service / name).parent.mkdir(parents=True, exist_ok=True)
        (service / name).write_text(text)

    rows = coverage.run_vision(tmp_path / "root", tmp_path / "run", python=vision_python())

    assert set(verdicts(rows).values()) == {None}
    assert "lacks torch" in told(rows, "M.5")


def test_gates_say_not_run_when_the_service_is_not_there(tmp_path: Path) -> None:
    """An empty tree is neither green nor red, and starts nothing."""
    (tmp_path / "root").mkdir()

    billing = coverage.run_billing(tmp_path / "root", tmp_path / "b", cache=tmp_path / "cache")
    vision = coverage.run_vision(tmp_path / "root", tmp_path / "v", python=Path("none"))

    assert set(verdicts(billing).values()) == {None}
    assert set(verdicts(vision).values()) == {None}
