"""A report's probes, gates and detector answers as JUnit XML, for CI systems to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
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
        _suite(root, means, items)
    _bugs(root, report.get("bugs", ()))
    _unspoken(root, [row for row in owned if row in beside or not row["evidence"]])
    rendered: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return rendered


def _suite(root: Element, means: str, items: Iterable[Mapping[str, Any]]) -> None:
    cases = sorted(items, key=lambda item: (item["probe"], item["criterion"]))
    suite = _counted(
        root,
        f"closeout.{means}",
        tests=len(cases),
        failures=sum(item["passed"] is False for item in cases),
        skipped=sum(item["passed"] is None for item in cases),
        time=sum(item["seconds"] for item in cases),
    )
    for item in cases:
        case = SubElement(
            suite,
            "testcase",
            classname=f"closeout.{item['criterion']}",
            name=_text(item["probe"]),
            time=f"{item['seconds']:.3f}",
        )
        told = f"expected {item['expected']}\nsaw {item['observed']}\n{item['command']}"
        if item["passed"] is False:
            failure = SubElement(
                case, "failure", message=_text(item["observed"]), type=item["kind"]
            )
            failure.text = _text(told)
        elif item["passed"] is None:
            SubElement(case, "skipped").text = _text(item["observed"])
        else:
            SubElement(case, "system-out").text = _text(f"{item['kind']}\n{told}")


def _bugs(root: Element, bugs: Sequence[str]) -> None:
    if not bugs:
        return
    count = len(bugs)
    suite = _counted(
        root, "closeout.bugs", tests=count, failures=0, errors=count, skipped=0, time=0.0
    )
    for bug in bugs:
        name = _text(bug.partition(":")[0])
        case = SubElement(suite, "testcase", classname="closeout.bugs", name=name, time="0.000")
        SubElement(case, "error", message=_text(bug), type="bug-of-ours")


def _unspoken(root: Element, rows: list[Mapping[str, Any]]) -> None:
    if not rows:
        return
    bad = {"OPEN", "DRIFTED", "BLOCKED"}
    suite = _counted(
        root,
        "closeout.criteria",
        tests=len(rows),
        failures=sum(row["verdict"] in bad for row in rows),
        skipped=sum(row["verdict"] not in bad for row in rows),
        time=0.0,
    )
    for row in rows:
        case = SubElement(suite, "testcase", classname=f"closeout.{row['id']}", name=row["text"])
        case.set("time", "0.000")
        told = _text(f"{row['verdict']}: {row['because']}")
        if row["verdict"] in bad:
            SubElement(case, "failure", message=told, type=row["verdict"])
        else:
            SubElement(case, "skipped").text = told


def _counted(  # noqa: PLR0913 - the six attributes that every reader of JUnit asks for
    root: Element,
    name: str,
    *,
    tests: int,
    failures: int,
    skipped: int,
    time: float,
    errors: int = 0,
) -> Element:
    return SubElement(
        root,
        "testsuite",
        name=name,
        tests=str(tests),
        failures=str(failures),
        errors=str(errors),
        skipped=str(skipped),
        time=f"{time:.3f}",
    )


def _text(value: str) -> str:
    cleaned = value.translate(_ILLEGAL)
    return "".join(char for char in cleaned if not 0xD800 <= ord(char) <= 0xDFFF)  # noqa: PLR2004 - lone surrogates
