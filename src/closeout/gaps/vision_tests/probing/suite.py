"""Run the vision suite on a copy, under forced flags, and judge its files."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from closeout import process
from closeout.fs import json_reader
from closeout.gaps.vision_tests.suites import SCAFFOLD, VISION, VISION_SERVICE
from closeout.harness import launchers, quality_gate, runner_output, service_copy
from closeout.harness.offline import Offline, offline
from closeout.harness.quality_gate import DEADLINE, Ran, Rows, SuiteReport
from closeout.harness.service_copy import ServiceCopy
from closeout.model import Observation

_STAND_INS = Path(launchers.__file__).with_name("stand_ins.py")
_PLUGIN = "closeout_stand_ins"
_STUBBED = "stubbed.json"
_MISSING_MODULE = re.compile(r"No module named '([A-Za-z0-9_]+)")
_COVERAGE_CONFIGURATION = (
    "[run]\nbranch = true\n[report]\nexclude_lines =\n    ^no line is left out$\n"
)


def run(root: Path, scratch: Path, *, python: Path) -> Rows:
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
    result = _ended(service, alone, argv)
    ran = runner_output.pytest_results(service.written("results.xml"))
    stubbed: tuple[str, ...] = ()
    if _missing_modules(ran):
        # Their own pins name it or not: what is not here does not keep the others from running.
        argv = (*argv, "-p", _write_plugin(service))
        result = _ended(service, alone, argv)
        ran = runner_output.pytest_results(service.written("results.xml"))
        stubbed = tuple(json_reader.loads(service.written(_STUBBED) or b"[]"))
    command = service.shown(argv, {str(python): "python"})
    missing = _missing_modules(ran)
    if missing:
        reason = f"the gate's environment lacks {', '.join(missing)}"
        return quality_gate.unproven(VISION, reason, command)
    told = f"; stood in for {', '.join(stubbed)}, which the gate has not" if stubbed else ""
    report = SuiteReport(
        command=command,
        ran=ran,
        measured=runner_output.pytest_coverage(service.written("coverage.json")),
        sources=[
            path for path in service.paths() if path.startswith("app/") and path.endswith(".py")
        ],
        suites=service.suites(),
        note=f"{alone.told}{told}{_running_start(service)}",
    )
    return (*_setting(service, result, command), *quality_gate.judge_run(VISION, report, result))


def _running_start(service: ServiceCopy) -> str:
    """Return that a file only asks the service's OpenAPI, where it is ours as it was laid."""
    said = [
        f"; {file} is a running start and none of the tests asked for"
        for file, content in SCAFFOLD.files.items()
        if file in service.paths() and (service.folder / file).read_bytes() == content
    ]
    return "".join(said)


def _ended(service: ServiceCopy, alone: Offline, argv: Sequence[str | Path]) -> process.Result:
    return process.run(
        (*alone.argv, *argv),
        cwd=service.folder,
        env={
            **alone.env,
            "COVERAGE_FILE": str(service.output / "coverage.data"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "random",
            **({"PYTHONPATH": str(service.output)} if _PLUGIN in argv else {}),
        },
        deadline=DEADLINE,
        foreign=True,
    )


def _write_plugin(service: ServiceCopy) -> str:
    """Write a plugin that stands in for modules that are not here, and return its name."""
    place = service.output / f"{_PLUGIN}.py"
    place.write_text(
        f"{_STAND_INS.read_text(encoding='utf-8')}\n\n"
        f"_FINDER = StubFinder({str(service.folder)!r}, [])\n"
        "sys.meta_path.append(_FINDER)\n\n\n"
        "def pytest_unconfigure():\n"
        f"    Path({str(service.output / _STUBBED)!r}).write_text("
        "str(_FINDER.stubbed).replace(\"'\", '\"'))\n",
        encoding="utf-8",
    )
    return _PLUGIN


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


def _missing_modules(ran: Iterable[Ran]) -> list[str]:
    """Return third-party modules that a test could not import; `app` is the service's own."""
    found = {name for item in ran for name in _MISSING_MODULE.findall(item.detail)}
    return sorted(found - {"app", "tests", "conftest"})


def _setting(service: ServiceCopy, result: process.Result, command: str) -> Rows:
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
