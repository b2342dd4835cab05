"""Run the billing suite on a copy, under forced flags, and judge its files."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from closeout import process
from closeout.errors import CloseoutError
from closeout.gaps.billing_tests.suites import BILLING, BILLING_SERVICE
from closeout.harness import node, quality_gate, runner_output, service_copy
from closeout.harness.offline import offline
from closeout.harness.quality_gate import DEADLINE, Rows, SuiteReport
from closeout.harness.service_copy import TEST_FILE, ServiceCopy
from closeout.parsing import test_files

_SESSION = "nox -s billing_jest"
_ENTRY_POINT, _APP = "src/index.ts", "src/app.ts"
"""Where an app is made apart, the entry point is not measured: it only listens."""

_HINT = re.compile(rb"(istanbul|c8|v8)\s+ignore")


def run(root: Path, scratch: Path, *, cache: Path, dsn: str | None = None) -> Rows:
    """Run the billing service's jest suite on a copy and return one row a criterion.

    `cache` keeps installed packages between runs. `dsn` is a PostgreSQL that tests may use, as
    TEST_DATABASE_URL, at a Unix socket: the suite has no network. A test skipped for want of it
    makes its rows "not run", never green.
    """
    with service_copy.steady_copy(root, BILLING_SERVICE, scratch) as service:
        if service is None:
            return quality_gate.unproven(BILLING, f"there is no {BILLING_SERVICE}", _SESSION)
        return _run_jest(service, cache, dsn)


def _run_jest(service: ServiceCopy, cache: Path, dsn: str | None) -> Rows:
    try:
        packages = node.install(service.folder, cache)
    except CloseoutError as error:
        return quality_gate.unproven(BILLING, error.message, _SESSION)
    jest = packages / ".bin" / "jest"
    if not jest.exists():
        return quality_gate.unproven(BILLING, "package-lock.json does not install jest", _SESSION)
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
        foreign=True,
    )
    hidden = f"{lifted} comments that hide code from coverage lifted; " if lifted else ""
    report = SuiteReport(
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
    return quality_gate.judge_run(BILLING, report, result)


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
        *(f"--collectCoverageFrom=!{path}" for path in _left_out(service)),
        f"--cacheDirectory={service.kept}",
        "--json",
        f"--outputFile={service.output / 'results.json'}",
    )


def _typescript_sources(service: ServiceCopy) -> list[str]:
    """Return what has to be measured; a file of types alone holds nothing that could run."""
    left_out = _left_out(service)
    return [
        path
        for path in service.paths()
        if path.startswith("src/")
        and path.endswith(".ts")
        and not path.endswith(".d.ts")
        and not TEST_FILE.search(path)
        and path not in left_out
        and not test_files.is_types_only((service.folder / path).read_bytes())
    ]


def _left_out(service: ServiceCopy) -> tuple[str, ...]:
    return (_ENTRY_POINT,) if (service.folder / _APP).is_file() else ()
