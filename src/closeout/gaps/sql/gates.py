"""The data pipeline: all of it, and what compiling alone tells."""

from __future__ import annotations

from closeout.gaps.sql.probing import dbt
from closeout.model import Gate, Means

_DBT = "requirements/dbt.txt"

GATES = (
    Gate(
        name="dbt",
        session="dbt",
        means=Means.LIVE,
        criteria=dbt.CRITERIA,
        run=lambda asked: dbt.run_dbt(asked.root, asked.scratch, asked.program("dbt")),
        requirements=_DBT,
        audited=True,
    ),
    Gate(
        name="dbt_compile",
        session="dbt_compile",
        means=Means.LIVE,
        criteria=dbt.CRITERIA,
        run=lambda asked: dbt.compile_only(asked.root, asked.scratch, asked.program("dbt")),
        requirements=_DBT,
    ),
)
