"""Both suites run for real on the reference monorepo, and no edit of them cheats the gate."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from closeout.fs import writer
from closeout.fs.tree import DiskTree, Overlay
from closeout.gaps.billing_tests import GAP as BILLING_GAP
from closeout.gaps.billing_tests.probing import suite as billing_suite
from closeout.gaps.billing_tests.suites import BILLING_SERVICE
from closeout.gaps.cors import GAP as CORS_GAP
from closeout.gaps.headers import GAP as HEADERS_GAP
from closeout.gaps.vision_tests import GAP as VISION_GAP
from closeout.gaps.vision_tests.probing import suite as vision_suite
from closeout.gaps.vision_tests.suites import VISION_SERVICE
from closeout.harness import offline
from closeout.harness.quality_gate import Floors, Rows
from closeout.resources import BUNDLE

pytestmark = pytest.mark.live

OURS = Floors(statements=90, branches=85)
SERVICES = (BILLING_SERVICE, VISION_SERVICE)


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
        for changeset in gap.fix(overlay):
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
def test_billing_gate_is_red_before_the_fix_and_green_thrice_after_it(
    before: Path, after: Path, cache: Path, dsn: str, tmp_path: Path
) -> None:
    """The very suite that is installed passes in three random orders, above our own floors."""
    red = billing_suite.run(before, tmp_path / "before", cache=cache, dsn=dsn)
    thrice = [
        billing_suite.run(after, tmp_path / str(turn), cache=cache, dsn=dsn) for turn in range(3)
    ]

    assert set(verdicts(red).values()) == {False}
    assert "no test was collected" in told(red, "M.4")
    assert {passed for green in thrice for passed in verdicts(green).values()} == {True}
    assert len({green[0][2].command for green in thrice}) == 3
    statements, branches = shares(thrice[0], "5.5")
    assert statements > OURS.statements
    assert branches > OURS.branches


@pytest.mark.needs("npm")
def test_billing_gate_says_not_run_when_there_is_no_database(
    after: Path, cache: Path, tmp_path: Path
) -> None:
    """Tests that were skipped for want of a server are not called passed."""
    rows = billing_suite.run(after, tmp_path, cache=cache, dsn=None)

    assert verdicts(rows)["M.4"] is None
    assert "PostgreSQL" in told(rows, "M.4")


def cheated(after: Path, root: Path, edits: list[tuple[str, str, str]]) -> Path:
    """Return a copy of the fixed tree with one text of each named billing file replaced."""
    writer.copy_tree(DiskTree(after), root)
    for file, old, new in edits:
        place = root / BILLING_SERVICE / file
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

    seen = told(billing_suite.run(root, tmp_path / "run", cache=cache, dsn=dsn), "5.5")

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

    rows = billing_suite.run(root, tmp_path / "run", cache=cache, dsn=dsn)

    assert verdicts(rows)["M.4"] is False
    assert verdicts(rows)["5.3"] is False
    seen = told(rows, "M.4")
    for trick in ("1 skipped", "not collected", "asserts nothing", "nobody awaits"):
        assert trick in seen


@pytest.mark.needs("vision-env")
def test_vision_gate_is_red_before_the_fix_and_green_thrice_after_it(
    before: Path, after: Path, tmp_path: Path
) -> None:
    """The very suite that is installed passes in three random orders, above our own floors."""
    red = vision_suite.run(before, tmp_path / "before", python=vision_python())
    thrice = [
        vision_suite.run(after, tmp_path / str(turn), python=vision_python()) for turn in range(3)
    ]

    assert set(verdicts(red).values()) == {False}
    assert "No module named 'app'" in told(red, "M.5")
    assert {passed for green in thrice for passed in verdicts(green).values()} == {True}
    assert len({green[0][2].command for green in thrice}) == 3
    statements, branches = shares(thrice[0], "6.5")
    assert statements > OURS.statements
    assert branches > OURS.branches


@pytest.mark.needs("vision-env")
def test_vision_suite_is_collected_under_the_strict_settings_of_a_service(
    after: Path, tmp_path: Path
) -> None:
    """Where the service says which markers there are, the suite still registers its own."""
    service = tmp_path / "service"
    writer.copy_tree(DiskTree(after / VISION_SERVICE), service)
    (service / "pytest.ini").unlink()
    (service / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\naddopts = "--strict-markers"\npythonpath = ["."]\n'
        'markers = ["gpu: needs a card", "unit: as the service means it"]\n'
    )

    ended = subprocess.run(
        [vision_python(), "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=service,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout
    assert "test_job_service.py" in ended.stdout


@pytest.mark.needs("vision-env")
def test_vision_gate_stands_in_for_what_it_has_not_and_names_it(
    after: Path, tmp_path: Path
) -> None:
    """A heavy package that one module wants keeps no other test from being judged."""
    root = tmp_path / "root"
    writer.copy_tree(DiskTree(after), root)
    service = root / VISION_SERVICE
    (service / "app" / "camera.py").write_text(
        "import lens_driver\n\n\ndef focus(distance: int) -> int:\n    return distance + 1\n"
    )
    (service / "tests" / "test_camera.py").write_text(
        "from app.camera import focus\n\n\ndef test_focus():\n    assert focus(1) == 2\n"
    )

    rows = vision_suite.run(root, tmp_path / "run", python=vision_python())

    assert set(verdicts(rows).values()) == {True}
    assert "stood in for lens_driver, which the gate has not" in told(rows, "6.5")


def test_gates_say_not_run_when_the_service_is_not_there(tmp_path: Path) -> None:
    """An empty tree is neither green nor red, and starts nothing."""
    (tmp_path / "root").mkdir()

    billing = billing_suite.run(tmp_path / "root", tmp_path / "b", cache=tmp_path / "cache")
    vision = vision_suite.run(tmp_path / "root", tmp_path / "v", python=Path("none"))

    assert set(verdicts(billing).values()) == {None}
    assert set(verdicts(vision).values()) == {None}
