"""A report's probes, gates and detector answers as JUnit XML, for CI systems to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

_ILLEGAL = {code: " " for code in range(32) if code not in {9, 10, 13}} | {0xFFFE: " ", 0xFFFF: " "}
"""Characters that XML 1.0 cannot hold; what a service answered may hold them."""


def render(report: Mapping[str, Any]) -> bytes:
    """Return one suite a means (static, suite, live, operator), one case a probe and criterion.

    A probe that failed is a failure, one that did not run is skipped with its reason; a criterion
    that nothing speaks for, or that does not apply to the tree, is a skipped case of the suite
    `criteria`, so that it is not missed. A failure of ours is an error of the suite `bugs`.
    """
    root = Element("testsuites", name=f"closeout {report['work_order']}")
    owned = [row for row in report["criteria"] if not row["rests_on"]]
    beside = [row for row in owned if row["verdict"] == "NOT_APPLICABLE"]
    by_means: dict[str, list[Mapping[str, Any]]] = {}
    for item in (item for row in owned if row not in beside for item in row["evidence"]):
        by_means.setdefault(item["means"], []).append(item)
    for means, items in sorted(by_means.items()):
        _suite(root, means, [_of_evidence(item) for item in sorted(items, key=_place)])
    _suite(root, "bugs", [_of_bug(bug) for bug in report.get("bugs", ())])
    unspoken = (row for row in owned if row in beside or not row["evidence"])
    _suite(root, "criteria", [_of_criterion(row) for row in unspoken])
    rendered: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return rendered


class _Case(NamedTuple):
    """One case of a suite; `kind` is the element that tells how it ended, `text` what is in it."""

    of: str
    name: str
    kind: str
    text: str = ""
    attributes: Mapping[str, str] = {}
    seconds: float = 0.0


def _suite(root: Element, name: str, cases: Sequence[_Case]) -> None:
    """Add a suite with the six attributes that every reader asks for; none without a case."""
    if not cases:
        return
    kinds = [case.kind for case in cases]
    suite = SubElement(
        root,
        "testsuite",
        name=f"closeout.{name}",
        tests=str(len(cases)),
        failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")),
        skipped=str(kinds.count("skipped")),
        time=f"{sum(case.seconds for case in cases):.3f}",
    )
    for item in cases:
        case = SubElement(
            suite,
            "testcase",
            classname=f"closeout.{item.of}",
            name=_text(item.name),
            time=f"{item.seconds:.3f}",
        )
        told = {key: _text(value) for key, value in item.attributes.items()}
        SubElement(case, item.kind, told).text = _text(item.text) or None


def _place(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["probe"], item["criterion"]


def _of_evidence(item: Mapping[str, Any]) -> _Case:
    made = partial(_Case, item["criterion"], item["probe"], seconds=item["seconds"])
    told = f"expected {item['expected']}\nsaw {item['observed']}\n{item['command']}"
    if item["passed"] is False:
        named = {"message": item["observed"], "type": item["kind"]}
        return made("failure", told, attributes=named)
    if item["passed"] is None:
        return made("skipped", item["observed"])
    return made("system-out", f"{item['kind']}\n{told}")


def _of_bug(bug: str) -> _Case:
    named = {"message": bug, "type": "bug-of-ours"}
    return _Case("bugs", bug.partition(":")[0], "error", attributes=named)


def _of_criterion(row: Mapping[str, Any]) -> _Case:
    told = f"{row['verdict']}: {row['because']}"
    if row["verdict"] in {"OPEN", "DRIFTED", "BLOCKED"}:
        named = {"message": told, "type": row["verdict"]}
        return _Case(row["id"], row["text"], "failure", attributes=named)
    return _Case(row["id"], row["text"], "skipped", told)


def _text(value: str) -> str:
    cleaned = value.translate(_ILLEGAL)
    return "".join(char for char in cleaned if not 0xD800 <= ord(char) <= 0xDFFF)  # noqa: PLR2004 - lone surrogates
