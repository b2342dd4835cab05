"""Judge a tree that somebody else has closed: every criterion, every claim, and the order itself.

Nothing of the tree is changed: whatever runs, runs on copies.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from closeout.cli import known_answers, session
from closeout.cli.commands import probe, report
from closeout.cli.commands.detect import detection, readable
from closeout.console import failures, progress
from closeout.console.layout import counted, wrapped
from closeout.console.output import give, say
from closeout.engine import rules
from closeout.errors import CloseoutError, ExitCode
from closeout.fs import codec, writer
from closeout.fs.tree import DiskTree
from closeout.gaps import GAPS
from closeout.harness import postgres
from closeout.model import Gate, Means
from closeout.model.verdicts import Evidence
from closeout.process import pace, scratch
from closeout.runs import evidence_store, store
from closeout.runs.workspace import Workspace
from closeout.workorders import artifact_lint, claim_reader, claims, order_check
from closeout.workorders.wo_004 import WO_004
from closeout.workorders.wo_004_checks import FACTS, TOUCHED

_PROBES = "live_probes"
_LIVE = "requirements/live.txt"
_SQL_DEADLINE = 10
_Item = TypeVar("_Item")


def full(space: Workspace, claimed: str = "") -> ExitCode:
    """Judge everything: files, both suites, the data pipeline, and the running services."""
    return audit(space, session.kept_environments(space), claimed)


def audit(
    space: Workspace,
    pythons: session.Interpreters,
    claimed: str = "",
    sessions: Collection[str] = (),
    only: str = "",
) -> ExitCode:
    """Judge everything, with the given interpreters; `claimed` is a file of claims.

    `sessions` names those that run, all of them without it; `only` is how probes' ids begin,
    several between commas.
    """
    run, tree, found = _begin(space, claimed)
    known_answers.forget(space)  # an audit takes nobody's word, not ours of yesterday either
    audited = [gate for gate in session.gates() if gate.audited]
    for gate in sorted(audited, key=lambda gate: not gate.suite):
        if not sessions or gate.session in sessions:
            _part(run, gate.session, partial(_judged, space, gate, pythons))
    if not sessions or _PROBES in sessions:
        _part(run, _PROBES, lambda: probe.live_probes(space, pythons(_LIVE), only))
    with _sql() as ask:
        return _end(space, run, (tree, found), claimed, ask)


def _judged(space: Workspace, gate: Gate, pythons: session.Interpreters) -> ExitCode:
    space.announce()
    return session.judge(space, (gate,), pythons)


def quick(space: Workspace, claimed: str = "") -> ExitCode:
    """Judge what reading alone can tell; what has to run keeps the evidence of earlier sessions."""
    run, tree, found = _begin(space, claimed)
    return _end(space, run, (tree, found), claimed, None)


def _begin(space: Workspace, claimed: str) -> tuple[store.Run, DiskTree, rules.Detection]:
    """Read the tree, and record what reading it tells."""
    space.announce()
    if claimed:
        claim_reader.read(_text(claimed), WO_004)
    tree = readable(space)
    run = store.start(space.reports, space.root, "audit")
    found = detection(GAPS, tree)
    seen_static = report.static_evidence(space, tree, found, found)
    evidence_store.write(run.evidence, "static", seen_static)
    tree.keep()
    began = time.monotonic()
    with scratch.folder("audit") as folder:
        rows = _read("files", lambda: artifact_lint.inspect(tree, TOUCHED, folder))
    items = session.recorded(tree, session.answers(rows), Means.STATIC)
    evidence_store.write(run.evidence, "inspection", items)
    _tell("files", items, time.monotonic() - began)
    return run, tree, found


def _part(run: store.Run, name: str, judge: Callable[[], ExitCode]) -> None:
    """Run one session with its words in a file of the run; a part that cannot run is told."""
    say(f"  {name} ...")
    progress.step(name)
    began = time.monotonic()
    try:
        with (run.folder / f"{name}.log").open("w") as log, redirect_stdout(log):
            judge()
    except CloseoutError as error:
        say(f"  {name}: left out: {error.message}")
        return
    except Exception as error:  # noqa: BLE001 - the other parts are judged all the same
        say(f"  {name}: left out: {failures.noted(name, error)}")
        return
    place = run.evidence / f"{name}.json"
    _tell(name, evidence_store.read(place) if place.is_file() else (), time.monotonic() - began)


def _read(name: str, look: Callable[[], Sequence[_Item]]) -> Sequence[_Item]:
    """Return what is read beside the gaps, nothing where that fails: it is told."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - as above
        say(f"  {name}: left out: {failures.noted(name, error)}")
        return ()


def _tell(name: str, items: Sequence[Evidence], seconds: float) -> None:
    failed = sum(item.passed is False for item in items)
    missing = sum(item.passed is None for item in items)
    answers = counted(len(items), "answer")
    told = f"{answers}, {failed} fail, {missing} not run, {seconds:.0f} s"
    say(f"  {name}: {told if items else 'nothing to ask of this tree'}")
    for cause in evidence_store.causes(items):
        say("\n".join(wrapped("    ", str(cause))))


def _end(
    space: Workspace,
    run: store.Run,
    judged: tuple[DiskTree, rules.Detection],
    claimed: str,
    ask_sql: order_check.AskSql | None,
) -> ExitCode:
    tree, found = judged
    made = report.ruled(space, run.id, tree, report.remembered(space, tree), found)
    fresh = evidence_store.about(space.reports, space.root, made.tree_digest)
    remarks = _read("order", lambda: order_check.compare(tree, found, FACTS, fresh, ask_sql))
    _write(run, "order-audit.json", codec.plain(remarks))
    give("order_audit", codec.plain(remarks))
    code = made.exit_code
    reading = None
    if claimed:
        reading = claims.judge(Path(claimed).name, _text(claimed), WO_004, made.rulings, tree)
        _write(run, "claims.json", claims.to_json(reading))
        give("claims", claims.to_json(reading))
        made = replace(made, claims=tuple(item.row for item in reading.claims))
    where = f"{space.shown_reports}/{run.id}/order-audit.json"
    say(f"\n{order_check.told(remarks)}\n  all of it: {where}")
    if reading is not None:
        say(f"\n{claims.told(reading)}")
        false = reading.false and code is not ExitCode.OWN_BUG
        code = ExitCode.GAPS_LEFT if false else code
    say()
    report.conclude(space, run, made)
    return code


@contextmanager
def _sql() -> Iterator[order_check.AskSql | None]:
    """Yield a way to ask a throw-away PostgreSQL, None where no server can be had."""
    import psycopg  # noqa: PLC0415 - only a full audit asks PostgreSQL

    if postgres.binaries() is None:
        yield None
        return
    with (
        scratch.folder("order", mode=session.FOR_SERVERS) as folder,
        postgres.server(folder / "postgres") as server,
    ):

        def ask(statement: str) -> str:
            address = server.dsn("postgres")
            try:
                with psycopg.connect(
                    address, connect_timeout=round(pace.scaled(_SQL_DEADLINE))
                ) as connection:
                    connection.execute(statement.encode())
            except psycopg.Error as error:
                return str(error).splitlines()[0]
            return ""

        yield ask


def _text(claimed: str) -> str:
    place = Path(claimed)
    try:
        return place.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise CloseoutError(
            "claims-missing",
            f"{claimed} cannot be read: {error.strerror}.",
            hint="name the order's file or a completion report: --claims FILE.",
        ) from error


def _write(run: store.Run, name: str, document: object) -> None:
    content = json.dumps(document, indent=1, ensure_ascii=False)
    writer.durable_write(run.folder / name, content.encode() + b"\n")
