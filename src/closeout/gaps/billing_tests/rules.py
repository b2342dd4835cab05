"""What has to hold of the billing service's tests, and where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

from closeout.gaps.billing_tests import jest_package
from closeout.gaps.billing_tests.suites import BILLING, BILLING_SERVICE
from closeout.harness.quality_gate import Minimum
from closeout.harness.suite_install import Tested, count, is_wanted, lacking, rule, tested
from closeout.model import Located, Place, Reason, Subject, Unresolved
from closeout.parsing import test_files

PACKAGE = BILLING_SERVICE / "package.json"
CONFIGURATION = BILLING_SERVICE / "jest.config.js"


def tests(minimum: Minimum, seen: Tested) -> Located:
    """Return where too few tests of one of the services assert."""
    located = count(minimum, test_files.read_typescript, seen)
    return replace(located, examined=located.examined or (PACKAGE,))


def runner(seen: Tested) -> Located:
    """Return what is wrong with the test script and the configuration of jest."""
    content = seen.tree.read(PACKAGE)
    read = None if content is None else jest_package.read(content)
    if read is None:
        reason = Reason.MISSING if content is None else Reason.UNPARSABLE
        lost = Unresolved(path=PACKAGE, reason=reason, detail="package.json cannot be read")
        return Located(examined=(PACKAGE,), unresolved=(lost,))
    return Located(examined=(PACKAGE,), places=tuple(_troubles(read, seen)))


def jest_configurations(seen: Tested) -> list[PurePosixPath]:
    """Return the service's own jest configuration files, whatever their language."""
    beside = (path for path in seen.paths if path.parent == BILLING_SERVICE)
    return [path for path in beside if path.name.startswith("jest.config.")]


def _troubles(read: jest_package.JestPackage, seen: Tested) -> Iterator[Place]:
    trouble = jest_package.trouble(read)
    if trouble is not None:
        excerpt = f'"test": "{read.script}"' if read.script is not None else '"scripts"'
        yield lacking(PACKAGE, excerpt, trouble, read.line)
    if not read.configures_jest and not jest_configurations(seen):
        message = "there is no jest configuration, so coverage has no floor"
        yield lacking(CONFIGURATION, "jest", message)


SUBJECTS = (
    Subject(
        what="billing service that the suite fits",
        criteria=("5.1", "5.2", "5.3", "5.4", "5.5", "M.4"),
        is_in=partial(is_wanted, BILLING_SERVICE),
    ),
)

survey = partial(tested, BILLING_SERVICE)

RULES = (
    *(
        rule(item.probe.partition(".")[2], item.criterion, partial(tests, item))
        for item in BILLING.minimums
    ),
    rule("runner", BILLING.coverage_criterion, runner),
)
