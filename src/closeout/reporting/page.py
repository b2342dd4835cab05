"""A report as one self-contained HTML page: no request leaves it, and hostile text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from closeout import resources
from closeout.console.sanitize import shown
from closeout.reporting import criteria, measures
from closeout.reporting.documents import ClaimOutcome
from closeout.runs import store
from closeout.runs.plan_record import DIFF_NAMES

_CODE = re.compile(r"`([^`\n]+)`")
_FILE_OF_DIFF = re.compile(r"(?m)^(?=diff --git )")
_PATH_OF_DIFF = re.compile(r"^diff --git a/(.+) b/")

_HEADS = (
    *("--- a/", "--- /dev/null", "+++ b/", "+++ /dev/null", "diff --git "),
    *("index ", "new file mode ", "deleted file mode ", "old mode ", "new mode "),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What a patch does to one file."""

    gap: str
    title: str
    """The file's path."""
    origin: str
    text: str

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Return the diff's lines, each with its kind: add, del, at or none."""
        return [(_kind(line), line) for line in self.text.rstrip("\n").split("\n")]

    @property
    def size(self) -> str:
        """Return how many lines the diff adds and takes away."""
        kinds = [kind for kind, _ in self.lines]
        return f"+{kinds.count('add')} -{kinds.count('del')}"


def render(report: Mapping[str, Any], diffs: Sequence[Diff]) -> bytes:
    """Return the page. `report` is the object of `schemas/report.schema.json`."""
    style = resources.verbatim("templates/report/page.css").decode()
    script = resources.verbatim("templates/report/page.js").decode()
    counts = {name: count for name, count in report["counts"].items() if count}
    items = measures.owned(report)
    left = criteria.left(report)
    return _rendered(
        "report/page.html.j2",
        {
            "report": report,
            "headline": _headline(counts, sum(counts.values())),
            "made": dict.fromkeys(("at", "by", "commit", "state"), "") | report.get("made", {}),
            "left": left,
            "waiting": _who_settles(left),
            "groups": criteria.groups(report),
            "tiles": measures.tiles(report, items),
            "marked": _marked,
            "strip": _strip(counts),
            "strip_label": ", ".join(f"{count} {name}" for name, count in counts.items()),
            "style": Markup(style),  # noqa: S704 - our own stylesheet
            "script": Markup(script),  # noqa: S704 - our own script
            "style_hash": _source_hash(style),
            "script_hash": _source_hash(script),
            "kinds": criteria.KINDS,
            "most_open": max(
                1, *(gap[side] for gap in report["gaps"] for side in ("open_before", "open_after"))
            ),
            "adrs": sorted({item["adr"] for gap in report["gaps"] for item in gap["deviations"]}),
            "claims": _claims(report),
            "matrices": criteria.grids(items),
            "stand_ins": _stand_ins(items),
            "bars": measures.bars(items),
            "figures": measures.figures(items),
            "grades": measures.grades(items),
            "findings_json": _findings(report),
            "diffs": [
                (gap, [diff for diff in diffs if diff.gap == gap["slug"]])
                for gap in report["gaps"]
                if any(diff.gap == gap["slug"] for diff in diffs)
            ],
        },
    )


def _claims(report: Mapping[str, Any]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Return a document's claims by how they end, those that are held last."""
    ends = sorted(ClaimOutcome, key=lambda item: item is ClaimOutcome.HELD)
    made = report.get("claims", ())
    return [(end.value, [row for row in made if row["outcome"] == end.value]) for end in ends]


def _headline(counts: Mapping[str, int], total: int) -> str:
    closed = counts.get("CLOSED", 0)
    met_not = sum(counts.get(name, 0) for name in ("OPEN", "BLOCKED", "DRIFTED"))
    if met_not:
        return f"not done: {met_not} of {total} criteria {'is' if met_not == 1 else 'are'} not met"
    waived = counts.get("WAIVED", 0)
    unproven = counts.get("UNPROVEN", 0)
    if unproven:
        left = f"{unproven} of {total} criteria not proven yet"
        return f"{left}, {waived} accepted as they are" if waived else f"nothing found open, {left}"
    if closed == total:
        return f"done: all {total} criteria are closed"
    beside = ((waived, "accepted as they are"), (counts.get("NOT_APPLICABLE", 0), "not applicable"))
    others = ", ".join(f"{count} {told}" for count, told in beside if count)
    return f"done: {closed} of {total} criteria closed, {others}"


def _who_settles(left: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Return how many criteria wait for whom, most first."""
    waiting: dict[str, int] = {}
    for item in left:
        waiting[item["who"]] = waiting.get(item["who"], 0) + len(item["rows"])
    return sorted(((count, who) for who, count in waiting.items()), reverse=True)


def _marked(text: str) -> Markup:
    """Return a sentence as HTML: what stands between backticks is code, all else is text."""
    parts = _CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(shown(part)) if at % 2 else shown(part)
        for at, part in enumerate(parts)
    )


def _strip(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return each verdict's place on a strip that is 100 wide, with a gap between them."""
    total, start, parts = sum(counts.values()), 0.0, []
    for name, count in counts.items():
        width = 100 * count / total
        parts.append({"name": name, "start": round(start, 2), "width": round(width - 0.3, 2)})
        start += width
    return parts


def _source_hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"sha256-{digest}"


def _stand_ins(items: Sequence[measures.Item]) -> list[Mapping[str, Any]]:
    """Return how each service was started, all that stood in for something in any of its boots."""
    found: dict[str, dict[str, Any]] = {}
    for made in (made for item in items for made in item.get("stand_ins", ())):
        row = found.setdefault(made["service"], {"service": made["service"]})
        for key in ("launcher", "note"):
            row[key] = row.get(key) or made.get(key, "")
        for key in ("stubbed", "filled", "replaced"):
            row[key] = sorted({*row.get(key, ()), *made.get(key, ())})
    return [row for _, row in sorted(found.items())]


def _findings(report: Mapping[str, Any]) -> Markup:
    rows = [
        [
            shown(f"{place['path']}:{place['line']}"),
            place["criterion"],
            f"{place['gap']}/{place['rule']}",
            "named" if place["named"] else "not named",
            shown(place["message"]),
            shown(place["excerpt"]),
        ]
        for place in report["findings"]
    ]
    # Inside a script element only the end of the element could end it.
    text = json.dumps(rows, ensure_ascii=True).replace("<", "\\u003c")
    return Markup(text)  # noqa: S704 - JSON whose every angle bracket is escaped


def _rendered(template: str, values: Mapping[str, object]) -> bytes:
    """Return `templates/<template>` as HTML, every value escaped unless it is marked as safe.

    Characters that are not shown, or that turn their neighbours round, are written as escapes.

    Raises CloseoutError("template-broken") as `resources.render` does.
    """
    from jinja2 import TemplateError  # noqa: PLC0415 - heavy, and a plan renders no page

    try:
        environment = resources.environment().overlay(autoescape=True, finalize=_finalize)
        return environment.get_template(template).render(values).encode()
    except TemplateError as error:
        raise resources.broken_template(template, error) from error


def _finalize(value: object) -> object:
    """Write hidden characters of a value as escapes; what is marked as safe is left as it is."""
    return shown(value) if type(value) is str else value


def diffs_of(folders: Sequence[Path], slugs: Sequence[str]) -> tuple[Diff, ...]:
    """Return the diffs that runs kept, each named NNN-gap-name.origin.patch, of the given gaps."""
    made = []
    for place in (place for folder in folders for place in store.kept(folder, DIFF_NAMES)):
        title, origin = place.stem.split("-", 1)[1].rsplit(".", 1)
        gap = max((slug for slug in slugs if title.startswith(f"{slug}-")), key=len, default="")
        text = place.read_bytes().decode("utf-8", "replace")
        made += [
            Diff(gap=gap, title=_file_of(part), origin=origin, text=part)
            for part in _FILE_OF_DIFF.split(text)
            if part.strip()
        ]
    return tuple(made)


def _file_of(text: str) -> str:
    found = _PATH_OF_DIFF.match(text)
    return found[1] if found else "nothing"


def _kind(line: str) -> str:
    if line.startswith(_HEADS):
        return "at"
    return {"+": "add", "-": "del", "@": "at"}.get(line[:1], "")
