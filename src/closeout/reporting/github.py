"""What GitHub Actions shows of a command: annotations at the open places, and the job summary.

Both are only written where the runner asks for them by its environment. Annotations go to stderr,
which the runner reads like stdout, so that a JSON document on stdout stays one document.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from closeout.console import output
from closeout.errors import CloseoutError
from closeout.reporting import criteria
from closeout.reporting.markdown import cell

_MOST = 10
"""The runner shows ten annotations of a kind for a step and drops the others."""
_MOST_SUMMARY = 1024 * 1024
"""The runner refuses the whole summary of a step that is larger."""


def tell(given: Mapping[str, Any], error: CloseoutError | None) -> None:
    """Write annotations and summary of a command's result, as far as the environment asks."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in commands(given, error, _prefix(given)):
            output.instruct(line)
    place = os.environ.get("GITHUB_STEP_SUMMARY")
    text = summary(given, error)
    if place and text:
        try:
            with Path(place).open("ab") as stream:
                stream.write(text.encode()[: max(0, _MOST_SUMMARY - stream.tell())])
        except OSError as trouble:
            output.warn(f"notice: the job summary cannot be written: {trouble.strerror}")


def commands(
    given: Mapping[str, Any], error: CloseoutError | None, prefix: str = ""
) -> Iterator[str]:
    """Yield the runner's commands for open places, refusals, regressions and an error.

    `prefix` leads from the checkout to the monorepo; files are named from the checkout.
    """
    if error is not None:
        yield command("error", error.message + "\nhint: " + error.hint, title=error.reference)
    for bug in (given.get("report") or {}).get("bugs", ()) if error is None else ():
        yield command("error", bug, title="bug-of-ours")
    places = [
        command(
            "error",
            item["message"],
            file=prefix + item["path"],
            line=item["line"],
            title=f"{item['criterion']} {item['rule']}",
        )
        for item in _places(given)
    ]
    yield from places[:_MOST]
    if len(places) > _MOST:
        yield command("notice", f"{len(places) - _MOST} more places are open; see the job summary")
    for item in _refused(given)[:_MOST]:
        message = item["detail"] + (f"\nhint: {item['hint']}" if item["hint"] else "")
        place = {"file": prefix + item["path"], "line": item["line"]}
        yield command("warning", message, **place, title=f"left as it is: {item['reason']}")
    for probe in _red(given)[:_MOST]:
        message = f"expected {probe['expected']}\nsaw {probe['observed']}"
        yield command("error", message, title=f"{probe['kind']}: {probe['probe']}")


def command(kind: str, message: str, **properties: object) -> str:
    """Return one command of the runner, escaped so that no text can end it or start another."""
    said = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind}{' ' + said if said else ''}::{_data(message)}"


def summary(given: Mapping[str, Any], error: CloseoutError | None) -> str:
    """Return a command's result as Markdown for the job summary, nothing where it has no table."""
    lines: list[str] = []
    report = given.get("report")
    if report:
        counts = [f"{count} {name}" for name, count in report["counts"].items() if count]
        lines += [
            f"## {report['work_order']}: {', '.join(counts)}",
            "",
            *_table(
                ("gap", "before", "after", "verdict"),
                (
                    (
                        f"{gap['issue']}. {gap['title']}",
                        gap["open_before"],
                        gap["open_after"],
                        gap["verdict"],
                    )
                    for gap in report["gaps"]
                ),
            ),
            *_table(
                ("left", "verdict", "because", "settled by"),
                (
                    (row["id"], row["verdict"], row["because"], item["by"] or f"by {item['who']}")
                    for item in criteria.left(report)
                    for row in item["rows"]
                ),
            ),
        ]
    for session in given.get("sessions", ()):
        told = ", ".join(f"{count} {kind}" for kind, count in session["kinds"].items())
        lines += [f"## {session['session']}: {told}", ""]
    red = _red(given)
    if red:
        rows = ((item["probe"], item["kind"], item["expected"], item["observed"]) for item in red)
        lines += _table(("probe", "kind", "expected", "saw"), rows)
    places = _places(given)
    if places:
        shown = (
            (f"{item['path']}:{item['line']}", item["rule"], item["message"]) for item in places
        )
        lines += [f"## {len(places)} open places", "", *_table(("place", "rule", "why"), shown)]
    if error is not None:
        lines += [
            f"## {cell(error.reference)}",
            "",
            cell(error.message),
            "",
            cell(error.hint),
            "",
        ]
    return "\n".join([*lines, ""]) if lines else ""


def _places(given: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    report = given.get("report") or {}
    return list(given.get("places") or report.get("findings") or ())


def _refused(given: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    report = given.get("report") or {}
    kept = [item for gap in report.get("gaps", ()) for item in gap["unresolved"]]
    return list(given.get("not_judged") or kept)


def _red(given: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sessions = given.get("sessions", ())
    return [item for one in sessions for item in one["evidence"] if item["passed"] is False]


def _prefix(given: Mapping[str, Any]) -> str:
    monorepo = given.get("monorepo")
    checkout = os.environ.get("GITHUB_WORKSPACE")
    if not monorepo or not checkout:
        return ""
    root, top = Path(monorepo["root"]).resolve(), Path(checkout).resolve()
    inside = root.relative_to(top).as_posix() if root.is_relative_to(top) else "."
    return "" if inside == "." else f"{inside}/"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    return _data(str(value)).replace(":", "%3A").replace(",", "%2C")


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> list[str]:
    body = [f"| {' | '.join(cell(str(part)) for part in row)} |" for row in rows]
    if not body:
        return []
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body, ""]
