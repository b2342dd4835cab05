"""Each cheat we know is tried by a small tree of its own, with the real runner; none gets by."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest

from closeout.gaps.billing_tests.probing import suite as billing
from closeout.gaps.billing_tests.suites import BILLING_SERVICE
from closeout.gaps.vision_tests.probing import suite as vision
from closeout.gaps.vision_tests.suites import SCAFFOLD, VISION_SERVICE
from closeout.harness.quality_gate import Rows
from closeout.resources import BUNDLE

pytestmark = pytest.mark.live

Files = Mapping[str, str | None]
"""Text by path below the service; None leaves a file out."""

HONEST = "from app.a import f\n\n\ndef test_f():\n    assert f(1) == 2\n"
LONG = "".join(f"    x = {number}\n" for number in range(9))
SMALL: Files = {
    "pytest.ini": "[pytest]\npythonpath = .\n",
    "app/__init__.py": "",
    "app/a.py": "def f(x):\n    return x + 1\n",
    "app/b.py": f"def g():\n{LONG}    return x\n",
    "tests/test_a.py": HONEST,
}
BRANCHES = (
    "def f(x):\n"
    + "".join(f"    if x > {number}:\n        x += 0\n" for number in range(9))
    + "    return x + 1\n"
)
CASE = "it('adds %d', () => { expect(add(%d)).toBe(%d); });\n"
IMPORT = "import { add } from '../src/services/invoiceService';\n"
CASES = IMPORT + "".join(CASE % (number, number, number + 1) for number in range(10))
TRANSFORM = "transform: { '^.+\\\\.ts$': ['ts-jest', { diagnostics: false }] }"
NODE: Files = {
    "jest.config.js": f"module.exports = {{ {TRANSFORM} }};\n",
    "tsconfig.json": '{ "compilerOptions": { "isolatedModules": true, "target": "es2022" } }\n',
    "src/services/invoiceService.ts": "export const add = (x: number): number => x + 1;\n",
    "src/other.ts": "export function g(): number {\n"
    + "".join(f"  console.log({number});\n" for number in range(9))
    + "  return 1;\n}\n",
    "tests/invoiceService.test.ts": CASES,
}


def laid(root: Path, service: PurePosixPath, files: Files) -> Path:
    """Return `root` with a service that holds just `files`."""
    for name, text in files.items():
        if text is not None:
            place = root / service / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    return root


def seen_of(rows: Rows, criterion: str) -> tuple[bool | None, str]:
    """Return one criterion's verdict and what was seen."""
    return next((seen.passed, seen.observed) for _, number, seen in rows if number == criterion)


def vision_python() -> Path:
    """Return the interpreter that has the vision suite's packages."""
    return Path(os.environ["CLOSEOUT_VISION_PYTHON"])


@pytest.mark.needs("vision-env")
@pytest.mark.parametrize(
    ("files", "criterion", "seen"),
    [
        pytest.param({".coveragerc": "[run]\nomit = app/b.py\n"}, "6.5", "3 of 3 files", id="omit"),
        pytest.param(
            {"pytest.ini": SMALL["pytest.ini"] + "addopts = --no-cov\n"},
            "6.5",
            "3 of 3 files",
            id="no-cov",
        ),
        pytest.param(
            {"pytest.ini": SMALL["pytest.ini"] + "addopts = --cov=app.a\n"},
            "6.5",
            "3 of 3 files",
            id="cov-of-one-module",
        ),
        pytest.param(
            {"app/apart/c.py": f"def g():\n{LONG}", "app/b.py": None},
            "6.5",
            "app/apart/c.py",
            id="bare-cov-misses-a-module",
        ),
        pytest.param(
            {"app/b.py": f"def g():  # pragma: no cover\n{LONG}"},
            "6.5",
            "3 of 3 files",
            id="pragma",
        ),
        pytest.param(
            # 28 of 47 statements are 59.57 percent, which a report without precision calls 60.
            {
                ".coveragerc": "[report]\nfail_under = 60\nprecision = 0\n",
                "tests/test_a.py": "import app.b\n" + HONEST,
                "app/a.py": "def f(x):\n" + "    x += 0\n" * 23 + "    return x + 1\n",
                "app/b.py": "y = 1\n\n\ndef g():\n" + "    y = 1\n" * 19 + "\n\nz = 1\n",
            },
            "6.5",
            "28/47 (59.57 %)",
            id="rounding",
        ),
        pytest.param(
            # Half the statements, yet 38 of 58 when branches are thrown in: 65.52 percent.
            {
                "app/a.py": BRANCHES,
                "app/b.py": f"def g():\n{LONG}{LONG}    return x\n",
                "tests/test_a.py": HONEST.replace("f(1) == 2", "f(-1) + f(10) == f(10) == 11"),
            },
            "6.5",
            "statements 20/40 (50.00 %); branches 18/18",
            id="branches-hide-statements",
        ),
        pytest.param(
            {"tests/test_a.py": HONEST.replace("def", "async def")}, "M.5", "failed", id="async"
        ),
        pytest.param(
            {"tests/test_a.py": HONEST + "\n\ndef test_g():\n    f(1)\n"},
            "M.5",
            "asserts nothing",
            id="assertion-free",
        ),
        pytest.param(
            {
                "tests/test_a.py": "import pytest\n"
                + HONEST.replace("def", "@pytest.mark.xfail\ndef")
            },
            "M.5",
            "failed",
            id="xfail",
        ),
        pytest.param(
            {
                "tests/test_a.py": HONEST.replace("assert f(1) == 2", "assert f(1) == 3")
                .replace("def", "@pytest.mark.xfail\ndef")
                .replace("from", "import pytest\nfrom", 1)
            },
            "M.5",
            "1 skipped or expected to fail",
            id="xfail-that-fails",
        ),
        pytest.param(
            {
                "tests/test_a.py": "import pytest\n"
                + HONEST.replace("def", "@pytest.mark.skip\ndef")
            },
            "M.5",
            "1 skipped",
            id="skip",
        ),
        pytest.param(
            {
                "tests/test_a.py": HONEST
                + "\n\nasync def g():\n    assert f(1) == 9\n"
                + "\n\ndef test_g():\n    g()\n    assert f\n"
            },
            "M.5",
            "failed",
            id="un-awaited",
        ),
        pytest.param({"tests/test_a.py": None}, "M.5", "no test was collected", id="no-tests"),
        pytest.param(
            {
                "app/services/job_service.py": "class JobService:\n    pass\n",
                "tests/test_job_service.py": "from unittest.mock import patch\n\n\n"
                + "".join(
                    f"@patch('app.services.job_service.JobService')\ndef test_{number}(fake):\n"
                    "    fake.run.return_value = 1\n    assert fake.run() == 1\n\n\n"
                    for number in range(10)
                ),
            },
            "6.4",
            "which it should test",
            id="mock-of-the-module",
        ),
        pytest.param(
            {"conftest.py": "collect_ignore = ['tests/test_b.py']\n", "tests/test_b.py": HONEST},
            "M.5",
            "not collected: tests/test_b.py",
            id="ignored-file",
        ),
        pytest.param(
            {"pytest.ini": SMALL["pytest.ini"] + "addopts = -k nothing\n"},
            "6.5",
            "3 of 3 files",
            id="deselected",
        ),
    ],
)
def test_vision_gate_is_not_fooled_when_a_suite_cheats(
    tmp_path: Path, files: Files, criterion: str, seen: str
) -> None:
    """The gate brings its own configuration and flags, and counts for itself."""
    root = laid(tmp_path / "root", VISION_SERVICE, {**SMALL, **files})

    rows = vision.run(root, tmp_path / "run", python=vision_python())

    passed, told = seen_of(rows, criterion)
    assert passed is False
    assert seen in told


@pytest.mark.needs("npm")
@pytest.mark.parametrize(
    ("files", "criterion", "seen"),
    [
        pytest.param(
            {},
            "5.5",
            ("2 of 2 files",),
            id="no-collect-coverage-from",
        ),
        pytest.param(
            {"jest.config.js": f"module.exports = {{ {TRANSFORM}, collectCoverage: false }};\n"},
            "5.5",
            ("2 of 2 files",),
            id="no-coverage",
        ),
        pytest.param(
            {
                "jest.config.js": f"module.exports = {{ {TRANSFORM}, passWithNoTests: true }};\n",
                "tests/invoiceService.test.ts": None,
            },
            "M.4",
            ("no test was collected",),
            id="pass-with-no-tests",
        ),
        pytest.param(
            {
                "tests/invoiceService.test.ts": CASES
                + "jest.mock('../src/services/invoiceService', () => ({\n"
                "  add: (x: number) => x + 1,\n}));\n"
            },
            "5.1",
            ("which it should test",),
            id="mock-of-the-module",
        ),
        pytest.param(
            {
                "tests/invoiceService.test.ts": CASES.replace("it(", "it.skip(", 1)
                + "it.failing('fails', () => { expect(add(1)).toBe(9); });\n"
                + "it('is hollow', () => { add(1); });\n"
                + "it('waits for nobody', () => { expect(Promise.resolve(add(1))).resolves"
                ".toBe(2); });\n"
            },
            "M.4",
            ("2 skipped", "asserts nothing", "nobody awaits"),
            id="skip-failing-hollow-un-awaited",
        ),
    ],
)
def test_billing_gate_is_not_fooled_when_a_suite_cheats(
    tmp_path: Path, cache: Path, files: Files, criterion: str, seen: tuple[str, ...]
) -> None:
    """The same for jest: flags are forced, and what it writes is counted again."""
    root = laid(tmp_path / "root", BILLING_SERVICE, {**NODE, **files})
    for name in ("package.json", "package-lock.json"):
        shutil.copy(
            BUNDLE / "reference" / "farmiq" / BILLING_SERVICE / name, root / BILLING_SERVICE
        )

    rows = billing.run(root, tmp_path / "run", cache=cache, dsn="postgresql:///none")

    passed, told = seen_of(rows, criterion)
    assert passed is False
    assert [trick for trick in seen if trick not in told] == [], told


@pytest.mark.needs("vision-env")
def test_vision_gate_judges_a_foreign_suite_by_what_it_holds(tmp_path: Path) -> None:
    """A suite that is not ours runs as it is: what it reaches is green, what it lacks is not."""
    files = {**SMALL, "app/b.py": None, "tests/test_job_service.py": HONEST}
    root = laid(tmp_path / "root", VISION_SERVICE, files)

    rows = vision.run(root, tmp_path / "run", python=vision_python())

    assert seen_of(rows, "M.5")[0] is True
    assert seen_of(rows, "6.5")[0] is True
    assert seen_of(rows, "6.3") == (False, "there is no test_inference_service.py")
    assert seen_of(rows, "6.4") == (False, "1 pass and assert")


@pytest.mark.needs("vision-env")
def test_vision_gate_counts_a_running_start_for_no_test_that_was_asked_for(tmp_path: Path) -> None:
    """What only asks the service's OpenAPI is told as such; the named tests are still missing."""
    files = {
        **{name: text for name, text in SMALL.items() if not name.startswith("tests/")},
        "app/main.py": "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n"
        "@app.get('/health')\ndef health():\n    return {'status': 'ok'}\n",
        "tests/test_openapi.py": SCAFFOLD.files["tests/test_openapi.py"].decode(),
    }
    rows = vision.run(
        laid(tmp_path / "root", VISION_SERVICE, files), tmp_path / "run", python=vision_python()
    )
    assert seen_of(rows, "M.5")[0] is True
    assert seen_of(rows, "6.3") == (False, "there is no test_inference_service.py")
    assert seen_of(rows, "6.4") == (False, "there is no test_job_service.py")
    assert "tests/test_openapi.py is a running start and none of the tests asked for" in str(rows)


@pytest.mark.needs("vision-env")
def test_vision_gate_names_what_it_stood_in_for_where_its_environment_lacks_a_module(
    tmp_path: Path,
) -> None:
    """A service that needs more than the environment has is not called failed for that."""
    files = {**SMALL, "app/a.py": f"import torch\n{SMALL['app/a.py']}"}
    root = laid(tmp_path / "root", VISION_SERVICE, files)

    rows = vision.run(root, tmp_path / "run", python=vision_python())

    passed, observed = seen_of(rows, "M.5")
    assert passed, observed
    assert "stood in for torch, which the gate has not" in str(rows)
