"""The data pipeline: all of it, and what compiling alone tells."""

from __future__ import annotations

from closeout.gaps.sql.probing import dbt
from closeout.model import Gate, GateContext, Means

_DBT = "requirements/dbt.txt"


def _pipeline(context: GateContext) -> dbt.Rows:
    return dbt.run_dbt(context.root, context.scratch, context.program("dbt"))


def _compiled(context: GateContext) -> dbt.Rows:
    return dbt.compile_only(context.root, context.scratch, context.program("dbt"))


GATES = (
    Gate(
        name="dbt",
        session="dbt",
        means=Means.LIVE,
        criteria=dbt.CRITERIA,
        run=_pipeline,
        requirements=_DBT,
        audited=True,
    ),
    Gate(
        name="dbt_compile",
        session="dbt_compile",
        means=Means.LIVE,
        criteria=dbt.CRITERIA,
        run=_compiled,
        requirements=_DBT,
    ),
)
