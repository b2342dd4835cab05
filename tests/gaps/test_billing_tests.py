"""The billing suite goes where it fits, once, and over nothing."""

import json
import re

import pytest

from closeout.engine import rules
from closeout.fs.tree import DiskTree, MemoryTree, Overlay
from closeout.gaps.billing_tests import GAP
from closeout.gaps.billing_tests.suites import BILLING_SERVICE, SUITES
from closeout.harness import suite_choice, suite_install
from closeout.model import Reason, Source, Tree, Unresolved
from closeout.resources import BUNDLE
from tests.support import foreign_services

Files = dict[str, bytes]

SERVICE = str(BILLING_SERVICE)
SCRIPT_LINE = b'"test": "jest --passWithNoTests"'


def reference_files() -> Files:
    """Return the reference's billing service as path text to bytes."""
    tree = DiskTree(BUNDLE / "reference" / "farmiq" / BILLING_SERVICE)
    return {f"{SERVICE}/{path}": tree.read(path) for path in tree.paths()}


@pytest.fixture(scope="module")
def reference() -> Files:
    """Return the reference's billing service, read once."""
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


def test_detect_names_every_criterion_when_there_are_no_tests(reference: dict[str, bytes]) -> None:
    """Four files, a script that cannot fail and a configuration are missing."""
    assert findings(MemoryTree(reference)) == {
        ("5.1", "invoiceService.test.ts"),
        ("5.2", "subscriptionService.test.ts"),
        ("5.3", "paymentService.test.ts"),
        ("5.4", "usageMeteringService.test.ts"),
        ("5.5", "package.json"),
        ("5.5", "jest.config.js"),
    }


def test_derive_closes_the_gap_when_it_is_applied_once(reference: dict[str, bytes]) -> None:
    """Afterwards nothing is open, something was examined, and nothing is left to do."""
    after = fixed(reference)

    assert findings(after) == set()
    assert all(check.examined for check in rules.checks(GAP, after))
    assert GAP.fix(after) == ()


def test_derive_keeps_suite_and_code_apart_when_it_proposes(reference: dict[str, bytes]) -> None:
    """Test files come from the suite; the script is a change of the service's own file."""
    made = {item.source: item for item in GAP.fix(MemoryTree(reference))}

    assert all(edit.before is None for edit in made[Source.SUITE].edits)
    assert [edit.path.name for edit in made[Source.CODE].edits] == ["package.json"]


def test_derive_touches_one_line_when_it_mends_the_script(reference: dict[str, bytes]) -> None:
    """Every other byte of package.json stays."""
    path = f"{SERVICE}/package.json"
    after = fixed(reference).read(path)

    assert after == reference[path].replace(SCRIPT_LINE, b'"test": "jest"')


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (b'"test": "jest --passWithNoTests --runInBand"', '"jest --runInBand"'),
        (b'"test": "echo \\"Error: no test specified\\" && exit 1"', '"jest"'),
        (b'"pretest": "test"', '"jest"'),
    ],
)
def test_derive_mends_the_script_when_it_has_another_form(
    reference: dict[str, bytes], given: bytes, wanted: str
) -> None:
    """A flag goes, a placeholder is replaced, a missing script is added; CRLF stays."""
    path = f"{SERVICE}/package.json"
    content = reference[path].replace(SCRIPT_LINE, given).replace(b"\n", b"\r\n")

    after = fixed({**reference, path: content}).read(path)

    assert f'"test": {wanted}'.encode() in after
    assert json.loads(after)["scripts"]["build"]
    assert after.count(b"\n") == after.count(b"\r\n")


def test_derive_leaves_a_file_alone_when_another_one_stands_there(
    reference: dict[str, bytes],
) -> None:
    """A thin test file of the service's own is reported, not overwritten."""
    path = f"{SERVICE}/tests/invoiceService.test.ts"
    own = b"it('adds', () => { expect(1 + one()).toBe(2); });\n"
    tree = MemoryTree({**reference, path: own})

    assert ("5.1", "invoiceService.test.ts") in findings(tree)
    assert refused(tree)["invoiceService.test.ts"].reason is Reason.AMBIGUOUS
    assert fixed({**reference, path: own}).read(path) == own


def test_detect_is_content_when_the_service_has_its_own_tests(reference: dict[str, bytes]) -> None:
    """Ten cases that assert close the criterion wherever the file stands."""
    cases = "".join(f"it('{n}', () => {{ expect(f({n})).toBe({n}); }});\n" for n in range(10))
    path = f"{SERVICE}/src/__tests__/invoiceService.test.ts"

    assert ("5.1", "invoiceService.test.ts") not in findings(
        MemoryTree({**reference, path: cases.encode()})
    )


def test_detect_is_not_fooled_when_ten_tests_assert_nothing(reference: dict[str, bytes]) -> None:
    """Hollow cases do not count."""
    cases = "".join(f"it('{n}', () => {{ expect(true).toBe(true); }});\n" for n in range(10))
    path = f"{SERVICE}/tests/invoiceService.test.ts"

    assert ("5.1", "invoiceService.test.ts") in findings(
        MemoryTree({**reference, path: cases.encode()})
    )


def test_derive_says_which_names_are_missing_when_the_service_is_another(
    reference: dict[str, bytes],
) -> None:
    """A file that could not pass is not installed; the others are."""
    path = f"{SERVICE}/src/services/paymentService.ts"
    other = reference[path].replace(b"async refund(", b"async giveBack(")
    files = {**reference, path: other}

    told = refused(MemoryTree(files))

    assert "paymentService.ts: PaymentService.refund" in told["paymentService.test.ts"].detail
    assert set(told) == {"paymentService.test.ts", "postgres.test.ts", "app.test.ts"}
    assert fixed(files).read(f"{SERVICE}/tests/invoiceService.test.ts") is not None


def test_derive_installs_no_suite_when_jest_is_not_a_dependency(
    reference: dict[str, bytes],
) -> None:
    """Without the runner no test file helps; the hint says how to get it."""
    path = f"{SERVICE}/package.json"
    content = reference[path].replace(b'    "ts-jest": "29.4.15",\n', b"")
    tree = MemoryTree({**reference, path: content})

    assert "ts-jest" in refused(tree)["package.json"].hint
    assert all(made.source is not Source.SUITE or not made.edits for made in GAP.fix(tree))


def test_derive_brings_no_configuration_when_the_service_has_one(
    reference: dict[str, bytes],
) -> None:
    """Two jest configurations would stop jest."""
    files = {**reference, f"{SERVICE}/jest.config.ts": b"export default {};\n"}

    assert fixed(files).read(f"{SERVICE}/jest.config.js") is None


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe"])
def test_detect_reports_the_manifest_when_it_does_not_parse(
    reference: dict[str, bytes], content: bytes
) -> None:
    """A broken package.json is no finding and no crash."""
    tree = MemoryTree({**reference, f"{SERVICE}/package.json": content})

    (refusal,) = next(
        check for check in rules.checks(GAP, tree) if check.rule == "runner"
    ).unresolved
    assert refusal.reason is Reason.UNPARSABLE
    assert GAP.fix(tree) == ()


def test_detect_proves_nothing_when_there_is_no_such_service() -> None:
    """The order's own tree that lost it has nothing examined; another tree is not even asked."""
    lost = MemoryTree({"compose.yaml": b"name: farmiq\n"})
    assert {check.examined for check in rules.checks(GAP, lost)} == {()}
    assert rules.checks(GAP, MemoryTree({"README.md": b"x"})) == ()
    assert GAP.fix(lost) == ()


@pytest.mark.parametrize(
    ("shape", "service"),
    [("billing", reference_files()), ("billing-prisma", foreign_services.files(BILLING_SERVICE))],
)
def test_suite_is_chosen_by_what_the_service_exports(shape: str, service: Files) -> None:
    """Each suite goes to the service of its own shape, whole, and what its files use is there."""
    tree = MemoryTree(service)
    suite = suite_choice.chosen(SUITES, tree)

    assert suite is not None
    assert suite.name == shape
    assert {file: suite_install.missing_names(suite, file, tree) for file in suite.needs} == (
        dict.fromkeys(suite.needs, ())
    )
    tests = {name for name in suite_install.files(shape) if name.endswith(".test.ts")}
    assert tests <= set(suite.needs)
    assert tests | {"jest.config.js"} <= {
        str(edit.path.relative_to(BILLING_SERVICE)) for made in GAP.fix(tree) for edit in made.edits
    }


def test_suite_for_another_shape_closes_the_gap_when_it_is_applied_once() -> None:
    """Afterwards nothing is open, and nothing is left to do."""
    after = fixed(foreign_services.files(BILLING_SERVICE))

    assert findings(after) == set()
    assert GAP.fix(after) == ()


def test_file_that_asks_over_http_is_refused_when_a_route_is_missing() -> None:
    """What is used of a module may be a route; one that only resembles it is another."""
    routes = f"{SERVICE}/src/routes/billingRoutes.ts"
    files = foreign_services.files(BILLING_SERVICE)
    files[routes] = files[routes].replace(b"'/invoices/:id/status'", b"'/invoices/:id/states'")

    told = refused(MemoryTree(files))

    assert set(told) == {"http.test.ts"}
    assert "billingRoutes.ts: /invoices/:id/status" in told["http.test.ts"].detail
    assert fixed(files).read(f"{SERVICE}/tests/paymentService.test.ts") is not None


def test_service_without_a_worker_is_not_told_of_its_test() -> None:
    """What stands beside the four services may be missing; then its test is missed by nobody."""
    files = foreign_services.files(BILLING_SERVICE)
    del files[f"{SERVICE}/src/workers/usageMeteringWorker.ts"]

    assert refused(MemoryTree(files)) == {}
    assert fixed(files).read(f"{SERVICE}/tests/usageMeteringWorker.test.ts") is None


STRANGER = {
    f"{SERVICE}/package.json": b'{"scripts": {"test": "jest"}, '
    b'"devDependencies": {"jest": "30", "ts-jest": "29"}}',
    f"{SERVICE}/src/services/invoiceService.ts": b"export interface Sum { of: number }\n"
    b"export const draw = (sum: Sum) => sum.of;\nexport function post(): void {}\n"
    b"function own(): void {}\nexport const RATE = own;\n",
}


def test_service_that_no_suite_fits_is_told_what_no_test_names() -> None:
    """Its exported functions are listed where they would be tested; a type and a value are none."""
    told = refused(MemoryTree(STRANGER))

    assert "no test names draw, post (src/services/invoiceService.ts)" in (
        told["invoiceService.test.ts"].detail
    )
    assert set(told) == {
        "invoiceService.test.ts",
        "jest.config.js",
        "paymentService.test.ts",
        "subscriptionService.test.ts",
        "usageMeteringService.test.ts",
    }
    assert len(findings(MemoryTree(STRANGER))) == len(told)


def test_function_that_a_test_names_is_not_listed() -> None:
    """A list of what is untested shrinks with every test."""
    path = f"{SERVICE}/tests/drawing.test.ts"
    files = {**STRANGER, path: b"it('draws', () => { expect(draw({ of: 1 })).toBe(1); });\n"}

    detail = refused(MemoryTree(files))["invoiceService.test.ts"].detail
    assert "no test names post (" in detail


def test_no_configuration_is_laid_when_no_test_is_there_to_run() -> None:
    """`npm test` ends as it did before; with a test of the service's own it gets its floor."""
    configuration = f"{SERVICE}/jest.config.js"
    own = {f"{SERVICE}/tests/own.test.ts": b"it('adds', () => { expect(1 + one()).toBe(2); });\n"}

    assert fixed(STRANGER).read(configuration) is None
    assert b"collectCoverageFrom" in (fixed({**STRANGER, **own}).read(configuration) or b"")


def test_derive_lays_what_a_package_of_es_modules_reads(reference: dict[str, bytes]) -> None:
    """Its configuration is a `.cjs` and gives jest CommonJS; imports name what tsc writes.

    The kind stands wherever our file goes into a package with rules of its own: the vision
    suite's markers beside a strict pytest configuration are another of it.
    """
    path = f"{SERVICE}/package.json"
    package = reference[path].replace(b'"private": true', b'"private": true,\n  "type": "module"')
    after = fixed({**reference, path: package})

    assert after.read(f"{SERVICE}/jest.config.js") is None
    configuration = after.read(f"{SERVICE}/jest.config.cjs") or b""
    assert b"module: 'CommonJS'" in configuration
    assert b"moduleNameMapper: { '^(\\\\.{1,2}/.*)\\\\.js$': '$1' }," in configuration
    assert b"coverageThreshold" in configuration
    tests = [each.after for each in after.edits if each.path.name.endswith(".test.ts")]
    assert len(tests) == 6
    for text in tests:
        assert re.findall(rb"from '\.[^']*'", text)
        assert not re.findall(rb"from '\.[^']*(?<!\.js)'", text)
    assert findings(after) == set()
    assert GAP.fix(after) == ()
