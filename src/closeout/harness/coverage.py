"""Run the billing and the vision suite on copies, under forced flags, and judge their files."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError
from closeout.harness import node, quality_gate, runner_output, service_copy
from closeout.harness.offline import offline
from closeout.harness.quality_gate import BILLING, VISION, Demand, Ran, Report, Rows
from closeout.harness.service_copy import BILLING_SERVICE, TEST_FILE, VISION_SERVICE, ServiceCopy
from closeout.model import Observation
from closeout.parsing import test_files

DEADLINE = 300.0
"""Seconds a suite may take."""

_BILLING_JEST = "nox -s billing_jest"
_ENTRY_POINT = "src/index.ts"
"""The only source that is not measured: it reads the environment and listens."""

_HINT = re.compile(rb"(istanbul|c8|v8)\s+ignore")
_MISSING_MODULE = re.compile(r"No module named '([A-Za-z0-9_]+)")
_COVERAGE_CONFIGURATION = (
    "[run]\nbranch = true\n[report]\nexclude_lines =\n    ^no line is left out$\n"
)


def run_billing(root: Path, scratch: Path, *, cache: Path, dsn: str | None = None) -> Rows:
    """Run the billing service's jest suite on a copy and return one row a criterion.

    `cache` keeps installed packages between runs. `dsn` is a PostgreSQL that tests may use, as
    TEST_DATABASE_URL, at a Unix socket: the suite has no network. A test skipped for want of it
    makes its rows "not run", never green.
    """
    with service_copy.steady_copy(root, BILLING_SERVICE, scratch) as service:
        if service is None:
            return quality_gate.unproven(BILLING, f"there is no {BILLING_SERVICE}", _BILLING_JEST)
        return _run_jest(service, cache, dsn)


def _run_jest(service: ServiceCopy, cache: Path, dsn: str | None) -> Rows:
    try:
        packages = node.install(service.folder, cache)
    except CloseoutError as error:
        return quality_gate.unproven(BILLING, error.message, _BILLING_JEST)
    jest = packages / ".bin" / "jest"
    if not jest.exists():
        return quality_gate.unproven(
            BILLING, "package-lock.json does not install jest", _BILLING_JEST
        )
    (service.folder / "node_modules").symlink_to(packages)
    lifted = service.disarm(_HINT, "src/**/*.ts")
    alone = offline()
    argv = _jest_argv(jest, service)
    environment = {"TEST_DATABASE_URL": dsn} if dsn else {}
    result = process.run(
        (*alone.argv, *argv),
        cwd=service.folder,
        env={**environment, **alone.env, "CI": "true"},
        deadline=DEADLINE,
    )
    hidden = f"{lifted} comments that hide code from coverage lifted; " if lifted else ""
    report = Report(
        command=service.shown(argv, {str(jest): "node_modules/.bin/jest"}),
        ran=runner_output.jest_results(service.written("results.json"), service.folder),
        measured=runner_output.jest_coverage(
            service.written("coverage-summary.json"), service.folder
        ),
        sources=_typescript_sources(service),
        suites=service.suites(),
        excuse="" if dsn else "tests that need PostgreSQL were skipped: there is no server here",
        note=f"{hidden}{alone.told}",
    )
    return _judged(BILLING, report, result)


def run_vision(root: Path, scratch: Path, *, python: Path) -> Rows:
    """Run the vision service's pytest suite on a copy and return one row a criterion.

    `python` is the interpreter of an environment made from requirements/vision.txt.
    """
    service = service_copy.copy(root, VISION_SERVICE, scratch)
    if service is None:
        reason = f"there is no {VISION_SERVICE}"
        return quality_gate.unproven(VISION, reason, "nox -s vision_pytest")
    (service.output / "coverage.ini").write_text(_COVERAGE_CONFIGURATION)
    alone = offline()
    argv = _pytest_argv(python, service.output)
    result = process.run(
        (*alone.argv, *argv),
        cwd=service.folder,
        env={
            **alone.env,
            "COVERAGE_FILE": str(service.output / "coverage.data"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "random",
        },
        deadline=DEADLINE,
    )
    command = service.shown(argv, {str(python): "python"})
    ran = runner_output.pytest_results(service.written("results.xml"))
    missing = _missing_modules(ran)
    if missing:
        reason = f"the gate's environment lacks {', '.join(missing)}"
        return quality_gate.unproven(VISION, reason, command)
    report = Report(
        command=command,
        ran=ran,
        measured=runner_output.pytest_coverage(service.written("coverage.json")),
        sources=[
            path for path in service.paths() if path.startswith("app/") and path.endswith(".py")
        ],
        suites=service.suites(),
        note=alone.told,
    )
    return (*_vision_setting(service, result, command), *_judged(VISION, report, result))


def _jest_argv(jest: Path, service: ServiceCopy) -> Sequence[str | Path]:
    return (
        jest,
        "--ci",
        "--randomize",
        f"--seed={secrets.randbelow(2**31)}",
        "--passWithNoTests=false",
        "--testPathIgnorePatterns=/node_modules/",
        "--coverage",
        "--coverageProvider=babel",
        "--coverageReporters=json-summary",
        f"--coverageDirectory={service.output}",
        "--coveragePathIgnorePatterns=/node_modules/",
        "--coverageThreshold={}",
        "--collectCoverageFrom=src/**/*.ts",
        "--collectCoverageFrom=!src/**/*.d.ts",
        f"--collectCoverageFrom=!{_ENTRY_POINT}",
        f"--cacheDirectory={service.kept}",
        "--json",
        f"--outputFile={service.output / 'results.json'}",
    )


def _pytest_argv(python: Path, output: Path) -> Sequence[str | Path]:
    return (
        python,
        # Without the working folder on the path, as the order's bare `pytest` is called.
        "-P",
        *("-m", "pytest"),
        *("-p", "randomly", f"--randomly-seed={secrets.randbelow(2**31)}"),
        *("-p", "no:cacheprovider"),
        # What other runs left in the shared temporary folder is none of this one's business.
        f"--basetemp={output / 'temporary'}",
        *("-o", "addopts=", "-o", "xfail_strict=true", "-o", "junit_family=xunit1"),
        *("-W", "error:coroutine:RuntimeWarning"),
        *("-W", "error::pytest.PytestUnraisableExceptionWarning"),
        "--continue-on-collection-errors",
        "--cov=app",
        "--cov-branch",
        f"--cov-config={output / 'coverage.ini'}",
        "--cov-fail-under=0",
        f"--cov-report=json:{output / 'coverage.json'}",
        f"--junitxml={output / 'results.xml'}",
    )


def _judged(demand: Demand, report: Report, result: process.Result) -> Rows:
    if result.code is None:
        return quality_gate.unproven(
            demand, f"the suite did not end within {DEADLINE:g} s", report.command
        )
    if not report.ran and not report.measured and report.suites:
        # The runner itself broke: its own words tell more than "no test was collected".
        lines = [line.strip() for line in (result.err or result.out).splitlines() if line.strip()]
        return quality_gate.judge(demand, replace(report, note=" ".join(lines[:2])[:300]))
    return quality_gate.judge(demand, report)


def _typescript_sources(service: ServiceCopy) -> list[str]:
    """Return what has to be measured; a file of types alone holds nothing that could run."""
    return [
        path
        for path in service.paths()
        if path.startswith("src/")
        and path.endswith(".ts")
        and not path.endswith(".d.ts")
        and not TEST_FILE.search(path)
        and path != _ENTRY_POINT
        and not test_files.is_types_only((service.folder / path).read_bytes())
    ]


def _missing_modules(ran: Iterable[Ran]) -> list[str]:
    """Return third-party modules that a test could not import; `app` is the service's own."""
    found = {name for item in ran for name in _MISSING_MODULE.findall(item.detail)}
    return sorted(found - {"app", "tests", "conftest"})


def _vision_setting(service: ServiceCopy, result: process.Result, command: str) -> Rows:
    configured = re.findall(r"^configfile: (\S+)", result.out, re.MULTILINE)
    shared = [
        path
        for path in service.paths()
        if path.endswith("conftest.py") and b"fixture" in (service.folder / path).read_bytes()
    ]
    configuration = _found(configured, "a configuration", command)
    fixtures = _found(shared, "a conftest.py with fixtures", command)
    return (
        ("vision-tests.configuration", "6.1", configuration),
        ("vision-tests.shared-fixtures", "6.2", fixtures),
    )


def _found(places: Sequence[str], wanted: str, command: str) -> Observation:
    return Observation(
        passed=bool(places),
        expected=f"pytest reads {wanted} of the service",
        observed=f"it reads {', '.join(places) or 'none'}",
        command=command,
    )
