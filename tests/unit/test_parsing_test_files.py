"""Test files are read by parsing: cases, assertions, and what only looks like one."""

import pytest

from closeout.parsing import test_files


def body(text: str) -> bytes:
    """Return a jest file with one case around `text`."""
    return f"it('does', async () => {{ {text} }});".encode()


@pytest.mark.parametrize(
    "text",
    [
        "expect(total).toBe(1);",
        "await expect(pay()).rejects.toThrow();",
        "for (const a of b) { expect(a).toBe(1); }",
        "expectTotal(invoice);",
        "assert.equal(a, 1);",
    ],
)
def test_typescript_case_asserts_when_it_expects_something_computed(text: str) -> None:
    """Every usual form of an assertion is seen."""
    assert test_files.read_typescript(body(text)).hollow == ()


@pytest.mark.parametrize(
    "text",
    [
        "run();",
        "expect(true).toBe(true);",
        "expect(1).toBe(1);",
        "// expect(total).toBe(1);\n",
        "log('expect(total).toBe(1)');",
        "expect.assertions(0);",
    ],
)
def test_typescript_case_is_hollow_when_nothing_could_fail(text: str) -> None:
    """A literal, a comment and a string are no assertion."""
    assert len(test_files.read_typescript(body(text)).hollow) == 1


def test_typescript_cases_are_counted_when_tables_and_marks_stand_around_them() -> None:
    """Tables count their rows; skipped and to-do cases are cases."""
    source = b"""
describe('x', () => {
  it('a', () => { expect(f()).toBe(1); });
  it.each([[1, 2], [3, 4], [5, 6]])('b %d', (a, b) => { expect(f(a)).toBe(b); });
  it.skip('c', () => { expect(f()).toBe(1); });
  xit('d', () => { expect(f()).toBe(1); });
  it.todo('e');
  const text = "it('f', () => { expect(f()).toBe(1); })";
});
"""

    suite = test_files.read_typescript(source)

    assert [case.name for case in suite.cases] == ["a", "b %d", "c", "d", "e"]
    assert suite.asserting == 6


def test_typescript_promises_are_told_when_nobody_awaits_them() -> None:
    """An expectation of a promise alone in a statement is never looked at."""
    source = b"""
it('a', async () => { expect(pay()).rejects.toThrow(); });
it('b', async () => { await expect(pay()).rejects.toThrow(); });
it('c', () => { return expect(pay()).resolves.toBe(1); });
it('d', () => expect(pay()).resolves.toBe(1));
"""

    assert test_files.read_typescript(source).unawaited == (2,)


def test_typescript_mocks_are_named_when_a_module_is_replaced() -> None:
    """The module under test cannot be replaced unseen."""
    source = b"jest.mock('../src/services/invoiceService');\n// jest.mock('pg')\n"

    assert test_files.read_typescript(source).mocked == ("../src/services/invoiceService",)


@pytest.mark.parametrize(
    ("source", "asserts"),
    [
        ("def test_a():\n    assert f() == 1", True),
        ("def test_a():\n    with pytest.raises(ValueError):\n        f()", True),
        ("def test_a(mock):\n    mock.assert_called_once()", True),
        ("def check():\n    assert f()\ndef test_a():\n    check()", True),
        ("class TestX:\n    async def test_a(self):\n        assert await f()", True),
        ("def test_a():\n    f()", False),
        ("def test_a():\n    assert True", False),
        ("def test_a():\n    'assert f() == 1'", False),
    ],
)
def test_python_case_asserts_when_something_could_fail(source: str, asserts: bool) -> None:
    """A constant and a string are no assertion; a helper that asserts is one."""
    (case,) = test_files.read_python(source.encode()).cases

    assert case.asserts is asserts


def test_python_patches_are_named_when_they_name_their_target() -> None:
    """A patch by dotted name is told, one of an object is not a module."""
    source = (
        b"def test_a(m):\n    with patch('app.services.job_service.JobService'):\n        f()\n"
    )

    assert test_files.read_python(source).mocked == ("app.services.job_service.JobService",)


def test_broken_files_tell_their_line_when_they_do_not_parse() -> None:
    """A file that does not parse has no cases and says where."""
    assert test_files.read_python(b"x = 1\ndef test_a(:\n").error_line == 2
    assert test_files.read_typescript(b"const a = 1;\nit('a', () => {\n").error_line is not None


def test_names_are_listed_when_modules_export_them() -> None:
    """Classes give their methods; locals and unexported names stay out."""
    typescript = b"""
export class Service { pay() { const inner = 1; return inner; } }
class Hidden {}
export const service = new Service();
export function open() {}
export interface Clock { now(): Date; }
"""
    python = b"from a import b\nX = 1\nclass Service:\n    def pay(self):\n        y = 1\n"

    assert test_files.exported_names(typescript) == {
        "Service",
        "Service.pay",
        "service",
        "open",
        "Clock",
    }
    assert test_files.defined_names(python) == {"b", "X", "Service", "Service.pay"}


@pytest.mark.parametrize(
    ("source", "types"),
    [
        (b"import type { A } from './a';\nexport interface B { a: A }\nexport type C = B;\n", True),
        (b"// nothing\n", True),
        (b"export const a = 1;\n", False),
        (b"export type C = 1;\nrun();\n", False),
        (b"export { a } from './a';\n", False),
    ],
)
def test_types_only_is_told_when_nothing_runs(source: bytes, types: bool) -> None:
    """What holds no code need not be measured; everything else does."""
    assert test_files.is_types_only(source) is types
