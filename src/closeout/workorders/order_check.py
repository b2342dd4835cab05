"""Hold an order against a tree: what it says of it, and what is there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from closeout.console.layout import counted, wrapped
from closeout.engine.rules import Detection, findings
from closeout.formats import compose, compose_check, manifests
from closeout.fs import json_reader
from closeout.model import Tree
from closeout.model.verdicts import Evidence
from closeout.workorders.facts import (
    Engine,
    Fix,
    NamedLine,
    OrderCommand,
    OrderFacts,
    OrderPackage,
    Sample,
)
from closeout.workorders.samples import heard

_SHOWN = 5
"""Statements of one matter that a terminal shows; the run's file holds all."""
_GONE = "the file is not there"

AskSql = Callable[[str], str]
"""Return PostgreSQL's refusal of a statement, or nothing where it takes it."""


class Matter(Enum):
    """What a remark is about."""

    STALE_LINE = "stale line"
    MISSED_PLACE = "missed place"
    IDLE_CHECK = "check that cannot fail"
    REFUSED_FIX = "refused fix"
    WRONG_PORT = "wrong port"
    LACKING = "asked for by a sample test, and lacking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that the order says; `holds` None means that it could not be tried here."""

    matter: Matter
    criterion: str
    subject: str
    said: str
    found: str
    holds: bool | None


def compare(
    tree: Tree,
    detection: Detection,
    facts: OrderFacts,
    evidence: Sequence[Evidence] = (),
    ask_sql: AskSql | None = None,
) -> tuple[Remark, ...]:
    """Return a remark for everything that the order says and the tree can confirm or refute.

    `evidence` is about this tree; what it measured of the order's own checks is told. Without
    `ask_sql` the SQL that the order prints is not tried.
    """
    ports = _ports(tree)
    return (
        *(_line(tree, detection, item) for item in facts.named),
        *_missed(detection),
        *(_idle(tree, item, evidence) for item in facts.commands),
        *(_port(item, ports) for item in facts.commands if item.port),
        *(_fix(item, ask_sql) for item in facts.fixes),
        *(_package(tree, item) for item in facts.packages),
        *(made for item in facts.samples for made in _sample(tree, item)),
    )


def told(remarks: Sequence[Remark]) -> str:
    """Return what does not hold as lines for a terminal, by matter and gap, with totals.

    Of an order about another tree the totals are all that is told.
    """
    wrong = sum(item.holds is False for item in remarks)
    lines = [f"the order against this tree: {wrong} of {len(remarks)} statements do not hold"]
    named = [item.found for item in remarks if item.matter is Matter.STALE_LINE]
    is_another = len(named) > 1 and set(named) == {_GONE}
    another = "  it may be about another tree: none of the files whose lines it names is here"
    lines += [another] * is_another
    for matter in Matter:
        mine = [item for item in remarks if item.matter is matter]
        false = [item for item in mine if item.holds is False]
        untried = sum(item.holds is None for item in mine)
        tail = f", {untried} not tried here" if untried else ""
        lines += [f"  {matter.value}: {len(false)} of {len(mine)}{tail}"] if mine else []
        if is_another:
            continue
        if matter is Matter.MISSED_PLACE:
            lines += [f"    {line}" for line in _by_gap(false)]
        else:
            lines += [line for item in false[:_SHOWN] for line in wrapped("    ", _shown(item))]
            if len(false) > _SHOWN:
                lines.append(f"    and {len(false) - _SHOWN} more")
    return "\n".join(lines)


def _shown(item: Remark) -> str:
    return f"{item.criterion} {item.subject}: {item.found}"


def _by_gap(remarks: Iterable[Remark]) -> Iterator[str]:
    """Yield a line a gap: how many places in how many files, and the file with the most."""
    files: dict[str, Counter[str]] = {}
    for item in remarks:
        gap, _, place = item.subject.partition(" ")
        files.setdefault(gap, Counter())[place.rpartition(":")[0]] += 1
    for gap, places in files.items():
        name, most = places.most_common(1)[0]
        where = counted(len(places), "file")
        yield f"{gap}: {places.total()} in {where}, most in {name} ({most})"


def _line(tree: Tree, detection: Detection, item: NamedLine) -> Remark:
    lines = sorted(
        {
            found.line
            for found in findings(detection.get(item.gap, ()))
            if str(found.path) == item.path
        }
    )
    if tree.read(item.path) is None:
        told_of = _GONE
    elif item.line in lines:
        told_of = "the defect stands there"
    elif lines:
        told_of = f"the line holds no defect; it stands on {', '.join(map(str, lines))}"
    else:
        told_of = "the file holds no such defect"
    return Remark(
        matter=Matter.STALE_LINE,
        criterion=item.criterion,
        subject=f"{item.path}:{item.line}",
        said=f"a defect of {item.gap} stands there",
        found=told_of,
        holds=item.line in lines,
    )


def _missed(detection: Detection) -> Iterator[Remark]:
    for slug, checks in detection.items():
        for item in findings(checks):
            if not item.named:
                yield Remark(
                    matter=Matter.MISSED_PLACE,
                    criterion=item.criterion,
                    subject=f"{slug} {item.path}:{item.line}",
                    said="nothing",
                    found=item.message,
                    holds=False,
                )


def _idle(tree: Tree, item: OrderCommand, evidence: Sequence[Evidence]) -> Remark:
    places = _floors(tree, item)
    found = f"the tree itself sets a floor in {', '.join(places)}" if places else item.idle
    answers = {one.probe: one.passed for one in evidence}
    if answers.get(item.probe) and answers.get(item.counterpart) is False:
        found += f"; measured here: it passes while {item.counterpart} fails"
    return Remark(
        matter=Matter.IDLE_CHECK,
        criterion=item.criterion,
        subject=item.name,
        said="it tells whether the criterion is met",
        found=found,
        holds=bool(places),
    )


def _floors(tree: Tree, item: OrderCommand) -> list[str]:
    if item.floor is None:
        return []
    return [
        str(path)
        for path in tree.paths()
        if any(fnmatchcase(str(path), pattern) for pattern in item.floor.files)
        and re.search(item.floor.pattern, tree.read(path) or b"")
    ]


def _ports(tree: Tree) -> Mapping[str, str]:
    return {
        port: service
        for path in compose.base_files(tree)
        for port, service in compose_check.published(tree.read(path) or b"").items()
    }


def _port(item: OrderCommand, ports: Mapping[str, str]) -> Remark:
    owner = ports.get(item.port)
    own = ", ".join(port for port, service in ports.items() if service == item.service)
    found = f"compose gives {item.port} to {owner or 'no service'}"
    if owner != item.service:
        found += f"; {item.service} is on {own or 'no port of the host'}"
    return Remark(
        matter=Matter.WRONG_PORT,
        criterion=item.criterion,
        subject=item.name,
        said=f"{item.service} answers on {item.port}",
        found=found,
        # A compose file that cannot be read says nothing about anybody's port.
        holds=owner == item.service if ports else None,
    )


def _fix(item: Fix, ask_sql: AskSql | None) -> Remark:
    holds: bool | None
    if item.engine is Engine.KUBERNETES:
        problems = manifests.validate(item.text.encode())
        refusal = "; ".join(problem.message for problem in problems)
        holds = not refusal
    elif ask_sql is None:
        refusal, holds = "not tried: no PostgreSQL was asked", None
    else:
        refusal = ask_sql(item.text)
        holds = not refusal
    return Remark(
        matter=Matter.REFUSED_FIX,
        criterion=item.criterion,
        subject=item.name,
        said=f"{item.engine.value} takes it",
        found=refusal or f"{item.engine.value} takes it",
        holds=holds,
    )


def _package(tree: Tree, item: OrderPackage) -> Remark:
    content = tree.read(item.manifest)
    try:
        declared = {} if content is None else json_reader.loads(content).get("dependencies", {})
        holds: bool | None = content is not None and item.name in declared
        found = "it is declared" if holds else f"{item.manifest} does not declare it"
    except (ValueError, AttributeError):
        holds, found = None, f"{item.manifest} cannot be read"
    return Remark(
        matter=Matter.REFUSED_FIX,
        criterion=item.criterion,
        subject=f"an import of {item.name}",
        said="the service can import it",
        found=found,
        holds=holds,
    )


def _sample(tree: Tree, item: Sample) -> Iterator[Remark]:
    seen = heard(tree, item)
    if seen is None:
        return
    speaks, place = seen
    lacking = f"no name in the service speaks of it; it would stand in {place}"
    yield Remark(
        matter=Matter.LACKING,
        criterion=item.criterion,
        subject=item.name,
        said="a sample test asks the service for it",
        found=f"{place} speaks of it" if speaks else lacking,
        holds=speaks,
    )
