"""Make the documents that are generated: the gaps' pages, the deviations, the command list."""

from __future__ import annotations

import re
from pathlib import Path

from closeout import writer
from closeout.cli import namespace
from closeout.errors import CloseoutError, ExitCode
from closeout.gaps import GAPS
from closeout.telling import give, say
from closeout.workorders.wo_004 import WO_004

_START, _END = "<!-- commands: generated -->", "<!-- end of commands -->"


def make(home: Path) -> ExitCode:
    """Write every generated document below `home`."""
    for name, text in _documents(home).items():
        writer.durable_write(home / name, text.encode())
        say(f"wrote {name}")
    give("written", list(_documents(home)))
    return ExitCode.SETTLED


def check(home: Path) -> ExitCode:
    """Compare every generated document below `home` with what would be made."""
    differing = [
        name
        for name, text in _documents(home).items()
        if not (home / name).is_file() or (home / name).read_text() != text
    ]
    for name in differing:
        say(f"{name} is not as generated\nhint: python -m closeout docs make")
    give("wrong", differing)
    return ExitCode.GAPS_LEFT if differing else ExitCode.SETTLED


def _documents(home: Path) -> dict[str, str]:
    return {
        "docs/gaps.md": _gaps(),
        "docs/deviations.md": _deviations(),
        "README.md": _with_commands(_readme(home), home),
    }


def _readme(home: Path) -> str:
    try:
        return (home / "README.md").read_text()
    except OSError as error:
        raise CloseoutError(
            "readme-missing",
            f"{home} holds no README.md of this project: {error.strerror}.",
            hint="run it in the project's own folder, or name that by CLOSEOUT_HOME.",
        ) from error


def _gaps() -> str:
    texts = {criterion.id: criterion for criterion in WO_004.criteria}
    pages = []
    for gap in GAPS:
        criteria = "\n".join(
            f"- **{number}** {texts[number].text} Settled by {texts[number].means.value}: "
            f"`{texts[number].settled_by}`."
            for number in gap.criteria
        )
        head = f"## {gap.issue}. {gap.title}\n\n`invoke fix.{gap.slug}`, priority {gap.priority}."
        pages.append(f"{head}\n\n{gap.guide.strip()}\n\n{criteria}\n")
    return "# The gaps\n\nGenerated from the gaps themselves.\n\n" + "\n".join(pages)


def _deviations() -> str:
    rows = [
        f"| {item.id} | {_cell(item.claim)} | {_cell(item.finding)} | {_cell(item.decision)} |"
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


def _with_commands(readme: str, home: Path) -> str:
    if _START not in readme or _END not in readme:
        raise CloseoutError(
            "readme-unmarked",
            "README.md lacks the marks between which the commands are listed.",
            hint=f"add a line {_START} and a line {_END}.",
        )
    tasks = namespace(home)
    listed = "\n".join(
        f"| `invoke {name}` | {_first_line(tasks[name].__doc__)} |"
        for name in sorted(tasks.task_names)
    )
    block = f"{_START}\n| command | what it does |\n| --- | --- |\n{listed}\n{_END}"
    return re.sub(f"{_START}.*{_END}", lambda _: block, readme, flags=re.DOTALL)


def _first_line(doc: str | None) -> str:
    return _cell((doc or "").strip().splitlines()[0])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
