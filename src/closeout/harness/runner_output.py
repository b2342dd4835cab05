"""Read what jest and pytest write: their results and their coverage, as the gate's own types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree as ET

from closeout.fs import json_reader
from closeout.harness.quality_gate import Ending, Measured, Ran

_WHOLE_FILE = "the file itself"


def jest_results(written: bytes, service: Path) -> tuple[Ran, ...]:
    """Return every test of jest's `--json` output; a file that broke is one failed test."""
    return tuple(
        ran
        for file in json_reader.mapping(written).get("testResults", [])
        for ran in _jest_file(file, service)
    )


def jest_coverage(written: bytes, service: Path) -> dict[str, Measured]:
    """Return each file's figures from jest's json-summary."""
    return {
        _relative(path, service): Measured(
            statements=figures["statements"]["total"],
            covered_statements=figures["statements"]["covered"],
            branches=figures["branches"]["total"],
            covered_branches=figures["branches"]["covered"],
        )
        for path, figures in json_reader.mapping(written).items()
        if path != "total"
    }


def pytest_results(written: bytes) -> tuple[Ran, ...]:
    """Return every test of pytest's JUnit report; a file that broke is one failed test."""
    try:
        root = ET.fromstring(written)  # noqa: S314 - written by the pytest that we started
    except ET.ParseError:
        return ()
    return tuple(_pytest_case(case) for case in root.iter("testcase"))


def pytest_coverage(written: bytes) -> dict[str, Measured]:
    """Return each file's figures from coverage's JSON; an excluded line counts as not covered."""
    return {
        str(PurePosixPath(path)): Measured(
            statements=file["summary"]["num_statements"] + file["summary"]["excluded_lines"],
            covered_statements=file["summary"]["covered_lines"],
            branches=file["summary"].get("num_branches", 0),
            covered_branches=file["summary"].get("covered_branches", 0),
        )
        for path, file in json_reader.mapping(written).get("files", {}).items()
    }


def _jest_file(file: Mapping[str, Any], service: Path) -> Iterator[Ran]:
    name = _relative(file["name"], service)
    if not file["assertionResults"]:
        yield Ran(
            file=name, name=_WHOLE_FILE, outcome=Ending.FAILED, detail=_first(file["message"])
        )
    for test in file["assertionResults"]:
        yield Ran(
            file=name,
            name=test["fullName"],
            outcome=_jest_outcome(test),
            # Older versions do not count; what the source shows then decides alone.
            asserted=test.get("numPassingAsserts") != 0,
            detail=_first(" ".join(test.get("failureMessages") or [])),
        )


def _jest_outcome(test: Mapping[str, Any]) -> Ending:
    if test["status"] == "failed":
        return Ending.FAILED
    if test["status"] != "passed" or test.get("failing"):
        return Ending.IDLE
    return Ending.REPEATED if (test.get("invocations") or 1) > 1 else Ending.PASSED


def _pytest_case(case: ET.Element) -> Ran:
    broken = next(
        (item for tag in ("failure", "error") if (item := case.find(tag)) is not None), None
    )
    idle = case.find("skipped") is not None
    outcome = Ending.IDLE if idle else Ending.PASSED
    # Collection errors carry no file; their class name is the module's dotted path.
    dotted = case.get("classname") or case.get("name") or ""
    detail = "" if broken is None else f"{broken.get('message', '')} {broken.text or ''}"
    return Ran(
        file=case.get("file") or f"{dotted.replace('.', '/')}.py",
        name=case.get("name") or _WHOLE_FILE,
        outcome=Ending.FAILED if broken is not None else outcome,
        detail=_reason(detail),
    )


def _reason(detail: str) -> str:
    """Return the line that tells most: Python's last `E` line, else the first one."""
    lines = [line[1:].strip() for line in detail.splitlines() if line.startswith("E ")]
    return _first(lines[-1] if lines else detail)


def _first(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:200] if lines else ""


def _relative(path: str, service: Path) -> str:
    for base in (service, service.resolve()):
        if Path(path).is_relative_to(base):
            return Path(path).relative_to(base).as_posix()
    return path
