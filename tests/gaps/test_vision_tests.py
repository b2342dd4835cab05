"""The vision suite goes where it fits, once, and over nothing."""

import os
import subprocess
from pathlib import Path

import pytest

from closeout.engine import rules
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps.vision_tests import GAP
from closeout.gaps.vision_tests.suites import SUITES, VISION_SERVICE
from closeout.harness import suite_choice, suite_install
from closeout.model import Reason, Source, Tree, Unresolved
from closeout.resources import BUNDLE
from tests.support import foreign_services

Files = dict[str, bytes]

SERVICE = str(VISION_SERVICE)


def reference_files() -> Files:
    """Return the reference's vision service as path text to bytes."""
    tree = DiskTree(BUNDLE / "reference" / "farmiq" / VISION_SERVICE)
    return {f"{SERVICE}/{path}": tree.read(path) for path in tree.paths()}


@pytest.fixture(scope="module")
def reference() -> Files:
    """Return the reference's vision service, read once."""
    return reference_files()


def fixed(files: dict[str, bytes]) -> Overlay:
    """Return the tree with everything laid over it that the gap proposes."""
    overlay = Overlay(MemoryTree(files))
    for changeset in GAP.fix(overlay):
        for edit in changeset.edits:
            overlay.lay(edit)
    return overlay


def findings(tree: Tree) -> set[tuple[str, str]]:
    """Return what is open, as criterion and file name."""
    return {
        (item.criterion, item.path.name)
        for check in rules.checks(GAP, tree)
        for item in check.findings
    }


def refused(tree: Tree) -> dict[str, Unresolved]:
    """Return what the gap will not touch, by file name."""
    return {item.path.name: item for made in GAP.fix(tree) for item in made.unresolved}


def test_detect_names_every_file_when_one_smoke_test_is_all_there_is(
    reference: dict[str, bytes],
) -> None:
    """Configuration, fixtures and two test files are missing."""
    assert findings(MemoryTree(reference)) == {
        ("6.1", "pytest.ini"),
        ("6.2", "conftest.py"),
        ("6.3", "test_inference_service.py"),
        ("6.4", "test_job_service.py"),
    }


def test_derive_closes_the_gap_when_it_is_applied_once(reference: dict[str, bytes]) -> None:
    """Afterwards nothing is open, something was examined, and nothing is left to do."""
    after = fixed(reference)

    assert findings(after) == set()
    assert all(check.examined for check in rules.checks(GAP, after))
    assert GAP.fix(after) == ()


def test_derive_only_adds_when_it_installs(reference: dict[str, bytes]) -> None:
    """The suite is new files; the service's own test stays."""
    (made,) = GAP.fix(MemoryTree(reference))

    assert made.source is Source.SUITE
    assert all(edit.before is None for edit in made.edits)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", b"[project]\nname = 'x'\n[tool.pytest.ini_options]\n"),
        ("setup.cfg", b"[tool:pytest]\ntestpaths = tests\n"),
        ("tox.ini", b"[tox]\n[pytest]\n"),
    ],
)
def test_detect_is_content_when_pytest_is_configured_elsewhere(
    reference: dict[str, bytes], name: str, content: bytes
) -> None:
    """A second configuration would silence the first, so none is installed."""
    files = {**reference, f"{SERVICE}/{name}": content}

    assert ("6.1", "pytest.ini") not in findings(MemoryTree(files))
    assert fixed(files).read(f"{SERVICE}/pytest.ini") is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", b"[tool.ruff]\n# [tool.pytest.ini_options]\n"),
        ("setup.cfg", b"[metadata]\n"),
        ("pytest.ini", b"\n"),
        ("pytest.ini", b"[other]\nnote = see\n  [pytest]\n"),
        ("pyproject.toml", b'[tool.x]\nnote = """\n[tool.pytest.ini_options]\n"""\n'),
    ],
)
def test_detect_is_not_fooled_when_a_file_only_looks_like_a_configuration(
    reference: dict[str, bytes], name: str, content: bytes
) -> None:
    """A comment and an empty file configure nothing."""
    assert ("6.1", "pytest.ini") in findings(
        MemoryTree({**reference, f"{SERVICE}/{name}": content})
    )


def test_detect_is_content_when_fixtures_stand_beside_the_tests(
    reference: dict[str, bytes],
) -> None:
    """The order does not say which folder the conftest belongs to."""
    path = f"{SERVICE}/tests/conftest.py"
    fixture = b"import pytest\n\n\n@pytest.fixture\ndef model():\n    return 1\n"

    assert ("6.2", "conftest.py") not in findings(MemoryTree({**reference, path: fixture}))
    assert ("6.2", "conftest.py") in findings(MemoryTree({**reference, path: b"import pytest\n"}))
    quoted = b'"""Begin with\n\n@pytest.fixture\ndef model(): ...\n"""\nimport pytest\n'
    assert ("6.2", "conftest.py") in findings(MemoryTree({**reference, path: quoted}))
    called = (
        b"from pytest import fixture\n\n\n@fixture(scope='module')\ndef model():\n    return 1\n"
    )
    assert ("6.2", "conftest.py") not in findings(MemoryTree({**reference, path: called}))


def test_derive_leaves_a_file_alone_when_another_one_stands_there(
    reference: dict[str, bytes],
) -> None:
    """A thin test file of the service's own is reported, not overwritten."""
    path = f"{SERVICE}/tests/test_job_service.py"
    own = b"def test_a():\n    assert f() == 1\n"
    files = {**reference, path: own}

    assert refused(MemoryTree(files))["test_job_service.py"].reason is Reason.AMBIGUOUS
    assert fixed(files).read(path) == own


def test_detect_is_not_fooled_when_ten_tests_assert_nothing(reference: dict[str, bytes]) -> None:
    """Hollow tests do not count; ten honest ones do."""
    path = f"{SERVICE}/tests/test_job_service.py"
    hollow = "".join(f"def test_{n}():\n    assert True\n" for n in range(10))
    honest = hollow.replace("True", "f() == 1")

    assert ("6.4", "test_job_service.py") in findings(
        MemoryTree({**reference, path: hollow.encode()})
    )
    assert ("6.4", "test_job_service.py") not in findings(
        MemoryTree({**reference, path: honest.encode()})
    )


def test_derive_says_which_names_are_missing_when_the_service_is_another(
    reference: dict[str, bytes],
) -> None:
    """A file that could not pass is not installed; the others are."""
    path = f"{SERVICE}/app/services/job_service.py"
    files = {**reference, path: reference[path].replace(b"def retry_job", b"def requeue")}

    told = refused(MemoryTree(files))

    assert set(told) == {"test_job_service.py"}
    assert "job_service.py: JobService.retry_job" in told["test_job_service.py"].detail
    assert fixed(files).read(f"{SERVICE}/tests/test_inference_service.py") is not None


def test_derive_installs_no_test_when_the_services_conftest_lacks_its_fixtures(
    reference: dict[str, bytes],
) -> None:
    """A conftest that stands there is kept, so tests that need ours would not pass."""
    own = b"import pytest\n\n\n@pytest.fixture\ndef mock_model():\n    return 1\n"
    told = refused(MemoryTree({**reference, f"{SERVICE}/conftest.py": own}))

    assert "conftest.py: sample_image" in told["test_inference_service.py"].detail
    assert "conftest.py: clock" in told["test_job_service.py"].detail


def test_detect_reports_the_line_when_a_test_file_does_not_parse(
    reference: dict[str, bytes],
) -> None:
    """A broken test file is no finding and no crash, and it is not overwritten."""
    path = f"{SERVICE}/tests/test_job_service.py"
    tree = MemoryTree({**reference, path: b"x = 1\ndef test_a(:\n"})

    (refusal,) = next(
        check for check in rules.checks(GAP, tree) if check.criterion == "6.4"
    ).unresolved
    assert (refusal.reason, refusal.line) == (Reason.UNPARSABLE, 2)


def test_detect_proves_nothing_when_there_is_no_such_service() -> None:
    """The order's own tree that lost it has nothing examined; another tree is not even asked."""
    lost = MemoryTree({"compose.yaml": b"name: farmiq\n"})
    assert {check.examined for check in rules.checks(GAP, lost)} == {()}
    assert rules.checks(GAP, MemoryTree({"README.md": b"x"})) == ()
    assert GAP.fix(lost) == ()


def test_derive_brings_the_policys_tests_when_the_policy_is_there(
    reference: dict[str, bytes],
) -> None:
    """A companion comes along with what it tests, and is not missed without."""
    policy = b"LOCAL_ORIGINS = STAGE_VARIABLES = ()\n" + b"".join(
        b"def %s():\n    pass\n" % name
        for name in (b"allowed_origins", b"canonical", b"in_production")
    )
    path = f"{SERVICE}/tests/test_cors.py"

    assert fixed({**reference, f"{SERVICE}/app/cors.py": policy}).read(path) is not None
    assert fixed(reference).read(path) is None
    assert refused(MemoryTree(reference)) == {}


@pytest.mark.parametrize(
    ("shape", "service"),
    [("vision", reference_files()), ("vision-async", foreign_services.files(VISION_SERVICE))],
)
def test_suite_is_chosen_by_what_the_service_exports(shape: str, service: Files) -> None:
    """Each suite goes to the service of its own shape, and what its files use is there."""
    tree = MemoryTree(service)
    suite = suite_choice.chosen(SUITES, tree)

    assert suite is not None
    assert suite.name == shape
    asked = set(suite.needs) - {"tests/test_cors.py"}
    assert {file: suite_install.missing_names(suite, file, tree) for file in asked} == (
        dict.fromkeys(asked, ())
    )
    assert {name for name in suite.files if name.startswith("tests/test_")} == set(suite.needs)


def test_suite_for_another_shape_closes_the_gap_when_it_is_applied_once() -> None:
    """Afterwards nothing is open, and nothing is left to do."""
    after = fixed(foreign_services.files(VISION_SERVICE))

    assert findings(after) == set()
    assert GAP.fix(after) == ()


def test_suite_for_another_shape_brings_the_policys_tests_too() -> None:
    """What tests a module of ours stands once, and comes along with either suite."""
    policy = BUNDLE / "suites" / "vision" / "tests" / "test_cors.py"
    module = b"LOCAL_ORIGINS = STAGE_VARIABLES = ()\n" + b"".join(
        b"def %s():\n    pass\n" % name
        for name in (b"allowed_origins", b"canonical", b"in_production")
    )
    files = foreign_services.files(VISION_SERVICE)
    after = fixed({**files, f"{SERVICE}/app/cors.py": module})

    assert after.read(f"{SERVICE}/tests/test_cors.py") == policy.read_bytes()


def test_service_that_no_suite_fits_gets_its_setting_and_no_test() -> None:
    """Configuration and fixtures are of use to any test; what none names is listed."""
    files = {
        f"{SERVICE}/app/inference_service.py": b"import os\n\nclass InferenceService:\n"
        b"    def weigh(self): ...\n    def _own(self): ...\n\ndef load(): ...\n",
        f"{SERVICE}/app/broken.py": b"def (:\n",
    }
    told = refused(MemoryTree(files))

    assert findings(fixed(files)) == {
        ("6.3", "test_inference_service.py"),
        ("6.4", "test_job_service.py"),
    }
    assert "no test names InferenceService.weigh, load (app/inference_service.py)" in (
        told["test_inference_service.py"].detail
    )
    assert set(told) == {"test_inference_service.py", "test_job_service.py"}


BARN = b"""from fastapi import FastAPI
from pydantic import BaseModel, Field

app = FastAPI()


class Weight(BaseModel):
    grams: int = Field(ge=0, le=9000)
    note: str | None = None


@app.post("/weights/{animal}")
def weigh(animal: str, weight: Weight, twice: bool = False) -> dict[str, int]:
    return {"grams": weight.grams * (2 if twice else 1)}


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}
"""


def test_service_that_no_suite_fits_gets_a_running_start_that_closes_no_named_test() -> None:
    """A FastAPI app is asked by its own OpenAPI; the tests that the order names are still open."""
    files = {f"{SERVICE}/app/main.py": BARN}
    after = fixed(files)
    assert after.read(f"{SERVICE}/tests/test_openapi.py") is not None
    assert findings(after) == {
        ("6.3", "test_inference_service.py"),
        ("6.4", "test_job_service.py"),
    }
    assert "test_openapi.py" not in refused(MemoryTree(files))
    assert fixed({str(path): after.read(path) for path in after.paths()}).edits == ()


@pytest.mark.parametrize(
    "files",
    [{f"{SERVICE}/app/main.py": b"import flask\n\nserver = flask.Flask('x')\n"}, reference_files()],
    ids=["no-app", "a-suite-fits"],
)
def test_running_start_is_laid_only_where_it_can_run_and_nothing_else_fits(files: Files) -> None:
    """Without an app there is nothing to ask, and a suite that fits says more."""
    assert fixed(files).read(f"{SERVICE}/tests/test_openapi.py") is None


@pytest.mark.needs("vision-env")
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"", b"", "4 passed"),
        (b"weight.grams *", b"100 // weight.grams.bit_length() // 0 *", "ZeroDivisionError"),
        (
            b'    return {"status"',
            b'    raise ConnectionError("no store")\n    return {"status"',
            "1 skipped",
        ),
    ],
    ids=["sound", "an-error-of-the-program", "a-neighbour-is-missing"],
)
def test_running_start_asks_what_the_service_offers(
    tmp_path: Path, old: bytes, new: bytes, told: str
) -> None:
    """It is green on a sound service, red where a handler fails, and passes nothing unasked."""
    after = fixed({f"{SERVICE}/app/main.py": BARN.replace(old, new, 1) if old else BARN})
    for path in after.paths():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(after.read(path) or b"")
    (tmp_path / SERVICE / "app" / "__init__.py").touch()
    ran = subprocess.run(
        [os.environ["CLOSEOUT_VISION_PYTHON"], "-P", "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=tmp_path / SERVICE,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert told in ran.stdout, ran.stdout + ran.stderr
    assert (ran.returncode == 0) == (told != "ZeroDivisionError")


_SIBLINGS = {
    "cloud/a/requirements.txt": b"fastapi==0.1\npytest==8.0.0\n",
    "cloud/b/requirements.txt": b"pytest==8.3.4\r\npytest-cov==4.1.0\r\n",
    "cloud/c/requirements.txt": b"pytest==8.3.4\npytest-asyncio==0.25.0\n",
}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b"fastapi==0.1\nnumpy==1.2",
            b"fastapi==0.1\nnumpy==1.2\npytest==8.3.4\npytest-cov==4.1.0\n",
        ),
        (b"fastapi==0.1\r\n", b"fastapi==0.1\r\npytest==8.3.4\r\npytest-cov==4.1.0\r\n"),
    ],
)
def test_the_packages_that_run_the_suite_are_listed_as_siblings_pin_them(
    before: bytes, after: bytes
) -> None:
    """The order's own command runs from the service's requirements."""
    own = foreign_services.files(VISION_SERVICE)
    mended = fixed({**own, **_SIBLINGS, f"{SERVICE}/requirements.txt": before})

    assert mended.read(f"{SERVICE}/requirements.txt") == after
    assert GAP.fix(mended) == ()


@pytest.mark.parametrize(
    "files",
    [
        {"cloud/b/requirements.txt": b"pytest==8.3.4\npytest-cov==4.1.0\n"},
        {**_SIBLINGS, "cloud/b/requirements.txt": b"pytest>=8\npytest-cov\n"},
        {**_SIBLINGS, f"{SERVICE}/requirements-dev.txt": b"pytest\n"},
        {**_SIBLINGS, f"{SERVICE}/pyproject.toml": b'[dependency-groups]\ntest = ["pytest>=8"]\n'},
        {**_SIBLINGS, f"{SERVICE}/requirements.txt": b"fastapi==0.1 --hash=sha256:0\n"},
    ],
)
def test_requirements_stay_where_no_habit_tells_or_the_service_has_its_own(files: Files) -> None:
    """One sibling, no pins, a list of the service's own, and hashes that a line would lack."""
    own = {
        **foreign_services.files(VISION_SERVICE),
        f"{SERVICE}/requirements.txt": b"fastapi==0.1\n",
        **files,
    }
    assert fixed(own).read(f"{SERVICE}/requirements.txt") == own[f"{SERVICE}/requirements.txt"]
