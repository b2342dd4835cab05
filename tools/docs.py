"""Make the documents that are generated: the gaps' pages, the deviations, the command lists."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from closeout.cli import namespace
from closeout.console.output import give, say
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import writer
from closeout.gaps import GAPS
from closeout.model import Deviation, Gap
from closeout.workorders.wo_004 import WO_004
from tools import __main__ as makers
from tools import cli_reference, schemas
from tools.cli_reference import cell
from tools.collections import MAKERS


def make(home: Path, parser: argparse.ArgumentParser) -> ExitCode:
    """Write every generated document below `home`; `parser` has all subcommands."""
    made = _documents(home, parser)
    for name, text in made.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        writer.durable_write(home / name, text.encode())
        say(f"wrote {name}")
    give("written", list(made))
    return ExitCode.SETTLED


def check(home: Path, parser: argparse.ArgumentParser) -> ExitCode:
    """Compare every generated document below `home` with what would be made."""
    differing = [
        name
        for name, text in _documents(home, parser).items()
        if not (home / name).is_file() or (home / name).read_text() != text
    ]
    for name in differing:
        say(f"{name} is not as generated\nhint: python -m tools docs make")
    give("wrong", differing)
    return ExitCode.GAPS_LEFT if differing else ExitCode.SETTLED


def check_site(home: Path) -> ExitCode:
    """Say what the built site would ask the network for."""
    site = home / "build" / "site"
    if not (site / "index.html").is_file():
        raise CloseoutError(
            "site-missing",
            f"{site} holds no site.",
            hint="run nox -s docs, which builds it and asks this.",
        )
    wrong = list(cli_reference.outside(site))
    say("\n".join(wrong) or "the site asks the network for nothing")
    give("wrong", wrong)
    return ExitCode.GAPS_LEFT if wrong else ExitCode.SETTLED


def _documents(home: Path, parser: argparse.ArgumentParser) -> dict[str, str]:
    noxfile, tasks = _text(home, "noxfile.py"), namespace(home, *MAKERS)
    return {
        "docs/gaps.md": _overview(),
        **{f"docs/gaps/{gap.slug}.md": _page(gap) for gap in GAPS},
        "docs/deviations.md": _deviations(),
        "docs/commands.md": cli_reference.page(tasks, noxfile, parser, makers.parser()),
        **schemas.files(),
    }


def _text(home: Path, name: str) -> str:
    try:
        return (home / name).read_text()
    except OSError as error:
        raise CloseoutError(
            "home-unfit",
            f"{home} holds no {name} of this project: {error.strerror}.",
            hint="run it in the project's own folder, or name that by CLOSEOUT_HOME.",
        ) from error


def _overview() -> str:
    rows = [
        f"| {gap.issue} | [{cell(gap.title)}](gaps/{gap.slug}.md) | {gap.priority} "
        f"| `invoke fix.{gap.slug}` |"
        for gap in GAPS
    ]
    pages = "\n".join(f"gaps/{gap.slug}" for gap in GAPS)
    return "\n".join(
        [
            "# The gaps",
            "",
            "Generated from the gaps themselves.",
            "",
            "| | gap | priority | closed by |",
            "| ---: | --- | --- | --- |",
            *rows,
            "",
            f"```{{toctree}}\n:hidden:\n\n{pages}\n```",
            "",
        ]
    )


def _page(gap: Gap) -> str:
    texts = {criterion.id: criterion for criterion in WO_004.criteria}
    criteria = [
        f"- **{number}** {texts[number].text} Settled by {texts[number].means.value}: "
        f"`{texts[number].settled_by}`."
        for number in gap.criteria
    ]
    guide = re.sub(r"::$", ":", gap.guide.strip(), flags=re.MULTILINE)
    departures = [f"- **{item.id}** {_departure(item)}" for item in gap.deviations]
    return "\n".join(
        [
            f"# {gap.issue}. {gap.title}",
            "",
            f"Generated from the gap itself. `invoke fix.{gap.slug}`, priority {gap.priority}.",
            "",
            guide,
            "",
            "## Its checkboxes",
            "",
            *criteria,
            *(["", "## Where the order is left", "", *departures] if departures else []),
            "",
        ]
    )


def _departure(item: Deviation) -> str:
    return f"{item.claim} Measured: {item.finding} So: {item.decision}"


def _deviations() -> str:
    rows = [
        f"| {item.id} | {cell(item.claim)} | {cell(item.finding)} | {cell(item.decision)} |"
        for gap in GAPS
        for item in gap.deviations
    ]
    head = (
        "# Departures from WO-004\n\nGenerated from the gaps. Each row was measured before it was "
        "decided; the reasons for departing at all are in "
        "[ADR 0006](adr/0006-departures-from-the-order.md).\n\n"
        "| id | the order | measured | what we do |\n| --- | --- | --- | --- |\n"
    )
    return head + "\n".join(rows) + "\n"
