"""The gate believes nothing that was not measured, counted and asserted."""

import json
from pathlib import Path

import pytest

from closeout.gaps.vision_tests.suites import VISION
from closeout.harness import quality_gate, runner_output
from closeout.harness.quality_gate import Ending, Measured, Ran, SuiteReport
from closeout.parsing.test_files import Suite, WrittenTest, read_python

FILES = ("tests/test_inference_service.py", "tests/test_job_service.py")
SOURCES = ("app/a.py", "app/b.py")
FULL = Measured(statements=100, covered_statements=100, branches=10, covered_branches=10)


def ran(file: str = FILES[0], count: int = 10, **more: object) -> list[Ran]:
    """Return `count` tests of a file that passed, but for what `more` says."""
    fields = {"outcome": Ending.PASSED, **more}
    return [Ran(file=file, name=f"test_{number}", **fields) for number in range(count)]


def report(**more: object) -> SuiteReport:
    """Return the report of a suite that meets every demand, but for what `more` says."""
    fields = {
        "command": "python -m pytest",
        "ran": [*ran(FILES[0]), *ran(FILES[1])],
        "measured": dict.fromkeys(SOURCES, FULL),
        "sources": SOURCES,
        "suites": {
            file: Suite(cases=(WrittenTest(name="x", line=1, asserts=True),)) for file in FILES
        },
        **more,
    }
    return SuiteReport(**fields)


def judged(**more: object) -> dict[str, tuple[bool | None, str]]:
    """Return the verdicts by criterion, with what was seen."""
    rows = quality_gate.judge(VISION, report(**more))
    return {criterion: (seen.passed, seen.observed) for _, criterion, seen in rows}


def hollow(line: int = 3) -> Suite:
    """Return a test file with one case that asserts nothing."""
    return Suite(cases=(WrittenTest(name="x", line=line, asserts=False),))


def test_gate_is_green_when_every_demand_is_met() -> None:
    """The honest suite passes every row."""
    assert {criterion: passed for criterion, (passed, _) in judged().items()} == dict.fromkeys(
        ("6.3", "6.4", "6.5", "M.5"), True
    )


@pytest.mark.parametrize(
    ("cheat", "criterion", "told"),
    [
        ({"ran": []}, "M.5", "no test was collected"),
        ({"ran": ran(count=9)}, "6.3", "9 pass and assert"),
        ({"ran": ran(FILES[0])}, "6.4", "0 pass and assert"),
        ({"ran": [*ran(count=9), *ran(count=5, outcome=Ending.IDLE)]}, "6.3", "5 skipped"),
        ({"ran": ran(outcome=Ending.FAILED, detail="boom")}, "M.5", "boom"),
        ({"ran": [*ran(), *ran(FILES[1], outcome=Ending.IDLE)]}, "M.5", "10 skipped"),
        ({"ran": [*ran(), *ran(FILES[1], outcome=Ending.REPEATED)]}, "M.5", "repeated"),
        ({"ran": ran(asserted=False)}, "6.3", "10 assert nothing"),
        ({"suites": {FILES[0]: hollow()}}, "6.3", "1 assert nothing"),
        ({"suites": {FILES[0]: hollow(line=7)}}, "M.5", f"{FILES[0]}:7 asserts nothing"),
        ({"suites": {FILES[0]: Suite(unawaited=(4,))}}, "M.5", ":4 expects a promise"),
        (
            {"suites": {FILES[0]: Suite(mocked=("app.services.inference_service.X",))}},
            "6.3",
            "which it should test",
        ),
        (
            {"suites": {FILES[0]: Suite(mocked=("app.inference_service.InferenceService",))}},
            "6.3",
            "which it should test",
        ),
        (
            {
                "suites": {
                    "tests/test_lost.py": Suite(
                        cases=(WrittenTest(name="x", line=1, asserts=True),)
                    )
                }
            },
            "M.5",
            "not collected: tests/test_lost.py",
        ),
        ({"suites": {"tests/test_lost.py": Suite(error_line=2)}}, "M.5", "not collected"),
        ({"measured": {"app/a.py": FULL}}, "6.5", "not measured: app/b.py"),
        ({"measured": {}}, "6.5", "0/0"),
        ({"measured": {}, "sources": ()}, "6.5", "0/0"),
    ],
)
def test_gate_is_red_when_a_suite_cheats(
    cheat: dict[str, object], criterion: str, told: str
) -> None:
    """Each cheat is caught by the row it would have fooled, and the row says how."""
    passed, observed = judged(**cheat)[criterion]

    assert passed is False
    assert told in observed


@pytest.mark.parametrize(
    ("statements", "branches", "passed"),
    [
        ((601, 1000), (7, 10), True),
        ((600, 1000), (7, 10), False),
        ((5999, 10_000), (7, 10), False),
        ((60_001, 100_000), (7, 10), True),
        ((100, 100), (6, 10), False),
        ((100, 100), (0, 0), True),
        ((0, 100), (10, 10), False),
    ],
)
def test_gate_compares_counts_when_percentages_would_round(
    statements: tuple[int, int], branches: tuple[int, int], passed: bool
) -> None:
    """The floor is exceeded or it is not; neither rounding nor branches hide statements."""
    figures = Measured(
        covered_statements=statements[0],
        statements=statements[1],
        covered_branches=branches[0],
        branches=branches[1],
    )

    assert judged(measured={"app/a.py": figures}, sources=("app/a.py",))["6.5"][0] is passed


def test_gate_says_not_run_when_the_machine_lacks_what_skipped_tests_need() -> None:
    """A skip that this machine is to blame for is neither green nor red."""
    skipped = [*ran(), *ran(FILES[1]), *ran("tests/test_db.py", outcome=Ending.IDLE)]

    passed, observed = judged(ran=skipped, excuse="there is no server here")["M.5"]

    assert passed is None
    assert "no server" in observed


def test_gate_stays_red_when_a_failure_hides_behind_an_excuse() -> None:
    """The excuse covers skips alone."""
    failed = [*ran(outcome=Ending.FAILED), *ran(FILES[1], outcome=Ending.IDLE)]

    assert judged(ran=failed, excuse="there is no server here")["M.5"][0] is False


def script(*lines: str) -> Suite:
    """Return a file that starts itself, as it reads."""
    guard = ("", 'if __name__ == "__main__":', "    test_a()", "")
    return read_python("\n".join(("def test_a():", *lines, *guard)).encode())


def test_gate_tells_of_a_script_that_is_named_as_a_test() -> None:
    """What starts itself, asserts nothing and is collected by nobody is no test to be judged."""
    suites = {**report().suites, "test_live.py": script("    return ask()")}

    passed, observed = judged(suites=suites)["M.5"]

    assert passed is True
    assert "test_live.py is a script, no test" in observed


@pytest.mark.parametrize(
    ("suite", "seen"),
    [
        (script("    assert ask()"), []),
        (script("    return ask()"), ran("test_live.py", 1)),
        (read_python(b"def test_a():\n    return ask()\n"), []),
    ],
)
def test_gate_is_red_where_a_script_is_a_test_file_too(suite: Suite, seen: list[Ran]) -> None:
    """One that asserts has to be collected, one that is collected has to assert."""
    given = report()
    suites = {**given.suites, "test_live.py": suite}

    passed, observed = judged(suites=suites, ran=[*given.ran, *seen])["M.5"]

    assert passed is False
    assert "test_live.py" in observed


def test_unproven_gives_every_row_when_nothing_could_run() -> None:
    """No criterion is left without a row."""
    rows = quality_gate.unproven(VISION, "no interpreter", "nox")

    assert [criterion for _, criterion, _ in rows] == ["6.3", "6.4", "6.5", "M.5"]
    assert {seen.passed for _, _, seen in rows} == {None}


def test_jest_results_tell_apart_when_a_test_passes_for_no_reason() -> None:
    """Passing without an assertion, on a retry or because failing is expected is not passing."""
    service = Path("service")
    tests = [
        {"fullName": "a", "status": "passed", "numPassingAsserts": 2},
        {"fullName": "b", "status": "passed", "numPassingAsserts": 0},
        {"fullName": "c", "status": "passed", "numPassingAsserts": 1, "invocations": 3},
        {"fullName": "d", "status": "passed", "numPassingAsserts": 1, "failing": True},
        {"fullName": "e", "status": "todo"},
        {"fullName": "f", "status": "failed", "failureMessages": ["boom\n  at x"]},
    ]
    broken = {"name": "service/tests/b.test.ts", "message": "\n bad syntax", "assertionResults": []}
    given = {
        "testResults": [
            {"name": "service/tests/a.test.ts", "message": "", "assertionResults": tests},
            broken,
        ]
    }

    seen = runner_output.jest_results(json.dumps(given).encode(), service)

    assert [(item.outcome, item.asserted) for item in seen[:4]] == [
        (Ending.PASSED, True),
        (Ending.PASSED, False),
        (Ending.REPEATED, True),
        (Ending.IDLE, True),
    ]
    assert [item.outcome for item in seen[4:]] == [Ending.IDLE, Ending.FAILED, Ending.FAILED]
    assert seen[5].detail == "boom"
    assert (seen[6].file, seen[6].detail) == ("tests/b.test.ts", "bad syntax")


def test_pytest_coverage_counts_a_line_as_missed_when_it_is_excluded() -> None:
    """A comment that excludes a line does not make the rest look better."""
    summary = {"num_statements": 8, "covered_lines": 8, "excluded_lines": 4}
    given = {"files": {"app/a.py": {"summary": summary}}}

    (seen,) = runner_output.pytest_coverage(json.dumps(given).encode()).values()

    assert (seen.covered_statements, seen.statements) == (8, 12)


@pytest.mark.parametrize("written", [b"", b"[]", b"{", b"<xml"])
def test_runner_output_is_empty_when_the_runner_left_rubbish(written: bytes) -> None:
    """Nothing readable means nothing ran; it is no error of ours."""
    assert runner_output.jest_results(written, Path()) == ()
    assert runner_output.jest_coverage(written, Path()) == {}
    assert runner_output.pytest_results(written) == ()
    assert runner_output.pytest_coverage(written) == {}
