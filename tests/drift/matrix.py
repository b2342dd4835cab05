"""Run the drift matrix and keep its table in `docs/drift.md`, a section a gap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from closeout.console.output import give, say
from closeout.errors import ExitCode
from tests import drift
from tests.drift import Judge, Tools, asgi, express, pipeline

JUDGES: Mapping[str, Judge] = {
    "cors": asgi.judge_cors,
    "headers": asgi.judge_headers,
    "sql": pipeline.judge,
    "rate-limit": express.judge_rate_limit,
    "factory-secret": express.judge_factory_secret,
}
"""Who asks the cases of each gap."""

PAGE = Path("docs/drift.md")
_HEAD = """# Drift matrix

How each gap in code is closed on services that drifted away from the reference monorepo. Every
row is planned with the prepared patches, staged, written, repeated and undone, and then asked: the
service before the fix and the service after it. Made by `nox -s drift`; do not edit.

"prepared": the reviewed patch still fits. "derived": it does not, and the fix was computed on the
tree. "refused": the place was left as it is, and the run names file, line and reason. "left alone":
it was closed already, in another way.
"""


def judge(slugs: Sequence[str], tools: Tools, home: Path) -> ExitCode:
    """Judge the cases of the gaps `slugs`, print their tables and keep them below `home`."""
    rows = drift.run(slugs, tools, JUDGES)
    sections = _sections(home / PAGE)
    for slug in slugs:
        sections[slug] = drift.table([row for row in rows if row.staged.case.gap == slug])
        say(f"## {slug}\n\n{sections[slug]}\n")
    texts = [f"## {slug}\n\n{sections[slug]}\n" for slug in drift.GAPS if slug in sections]
    (home / PAGE).write_text("\n".join([_HEAD, *texts]))
    give(
        "variants",
        [
            {
                "gap": row.staged.case.gap,
                "name": row.staged.case.name,
                "passed": row.verdict,
                "outcome": row.staged.outcome.value,
                "told": "; ".join([*row.staged.faults, row.judgement.told]),
            }
            for row in rows
        ],
    )
    failed = sum(row.verdict is False for row in rows)
    unasked = sum(row.verdict is None for row in rows)
    say(f"drift: {len(rows)} variants, {failed} failed, {unasked} not judged; {PAGE}")
    return drift.code(rows)


def _sections(page: Path) -> dict[str, str]:
    """Return the tables that the page holds, by gap."""
    if not page.is_file():
        return {}
    parts = page.read_text().split("\n## ")[1:]
    return {slug: text.strip() for slug, _, text in (part.partition("\n") for part in parts)}
