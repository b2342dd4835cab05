"""Find what is missing of the billing service's tests."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.fs.tree import below
from closeout.gaps.billing_tests import jest_package
from closeout.gaps.billing_tests.demand import BILLING, BILLING_SERVICE
from closeout.harness.quality_gate import Minimum
from closeout.model import Check, Finding, Reason, Tree, Unresolved
from closeout.parsing import test_files

SLUG = "billing-tests"
PACKAGE = BILLING_SERVICE / "package.json"
CONFIGURATION = BILLING_SERVICE / "jest.config.js"


def detect(tree: Tree) -> tuple[Check, ...]:
    """Return a check for each service's test file, one for the runner and its configuration."""
    paths = below(tree, BILLING_SERVICE)
    if not paths:
        rules = [*(item.criterion for item in BILLING.minimums), BILLING.coverage_criterion]
        return tuple(Check(rule="tests", criterion=rule, examined=()) for rule in rules)
    return (*(_tests(item, paths, tree) for item in BILLING.minimums), _runner(paths, tree))


def jest_configurations(paths: list[PurePosixPath]) -> list[PurePosixPath]:
    """Return the service's own jest configuration files, whatever their language."""
    return [path for path in paths if path.parent == BILLING_SERVICE and _configures(path.name)]


def _configures(name: str) -> bool:
    return name.startswith("jest.config.")


def _tests(minimum: Minimum, paths: list[PurePosixPath], tree: Tree) -> Check:
    rule = minimum.probe.partition(".")[2]
    found = [path for path in paths if path.name == minimum.file]
    suites = {path: test_files.read_typescript(tree.read(path) or b"") for path in found}
    unresolved = tuple(
        Unresolved(path=path, reason=Reason.UNPARSABLE, line=suite.error_line, detail="no syntax")
        for path, suite in suites.items()
        if suite.error_line is not None
    )
    counted = sum(suite.asserting for suite in suites.values())
    findings: tuple[Finding, ...] = ()
    if counted < minimum.tests and not unresolved:
        place = found[0] if found else BILLING_SERVICE / "tests" / minimum.file
        message = f"{counted} of {minimum.tests} tests that assert"
        findings = (
            _finding(rule, minimum.criterion, place, message=message, excerpt=minimum.file),
        )
    return Check(
        rule=rule,
        criterion=minimum.criterion,
        examined=tuple(found) or (PACKAGE,),
        findings=findings,
        unresolved=unresolved,
    )


def _runner(paths: list[PurePosixPath], tree: Tree) -> Check:
    content = tree.read(PACKAGE)
    read = None if content is None else jest_package.read(content)
    rule, criterion = "runner", BILLING.coverage_criterion
    if read is None:
        reason = Reason.MISSING if content is None else Reason.UNPARSABLE
        lost = Unresolved(path=PACKAGE, reason=reason, detail="package.json cannot be read")
        return Check(rule=rule, criterion=criterion, examined=(PACKAGE,), unresolved=(lost,))
    findings = []
    trouble = jest_package.trouble(read)
    if trouble is not None:
        excerpt = f'"test": "{read.script}"' if read.script is not None else '"scripts"'
        findings.append(
            _finding(rule, criterion, PACKAGE, line=read.line, message=trouble, excerpt=excerpt)
        )
    if not read.configures_jest and not jest_configurations(paths):
        message = "there is no jest configuration, so coverage has no floor"
        findings.append(_finding(rule, criterion, CONFIGURATION, message=message, excerpt="jest"))
    return Check(rule=rule, criterion=criterion, examined=(PACKAGE,), findings=tuple(findings))


def _finding(  # noqa: PLR0913 - a finding's own fields, given one by one
    rule: str, criterion: str, path: PurePosixPath, *, message: str, excerpt: str, line: int = 1
) -> Finding:
    return Finding(
        gap=SLUG,
        rule=rule,
        criterion=criterion,
        path=path,
        line=line,
        message=message,
        excerpt=excerpt,
        named=True,
    )
