"""SQL that PostgreSQL runs, not only SQL that dbt compiles.

Problem: `dbt compile` renders Jinja and never asks the database, so it exits 0 on a missing
parenthesis and on functions that PostgreSQL does not have. The nightly build fails instead, or
worse: it succeeds with wrong figures, where an integer division cuts the fraction off, a NULL
count drops a whole day's deaths, or a quoted function call stores the call's own text.

Before:

    1.0 - (SUM(died + culled)::FLOAT / NULLIF(SUM(stock), 0) as survival_rate,
    DATEDIFF('day', started_on, ended_on) as duration_days

After:

    1.0 - (SUM(COALESCE(died, 0) + COALESCE(culled, 0))::FLOAT / NULLIF(SUM(stock), 0)) as ...
    {{ dbt.datediff('started_on', 'ended_on', 'day') }} as duration_days

A column keeps its name. Where a model asks for insert_overwrite, rows are deleted and inserted by
the key that its GROUP BY states, as the text of one row where a column of it may be NULL (dbt
finds no NULL again), or by the day that its own filter takes in whole. Only without either it
becomes the table that the project's settings make, and that is told: it is built anew each run.

`invoke detect.all --only sql` reads the models without running them
and names each place by line and column: lone parentheses, unclosed Jinja, functions and
clauses of other databases, incremental strategies, aliases beside their own definition,
branches of unequal width, cut fractions, lost counts, quoted calls, macros that no package
gives, values that dbt refuses in a profile. What has one right answer is mended, the rest gets
advice; in a model that the order's own does not build on it is told, and no criterion hangs on
it. A project for another database is not judged so. `nox -s dbt` compiles, runs and builds
the models on a throw-away PostgreSQL, or in a scratch database of the server that
CLOSEOUT_PG_DSN names, on dates and on timestamps, and compares the figures.
"""

from __future__ import annotations

from closeout.gaps.sql.deviations import DEVIATIONS
from closeout.gaps.sql.fix import fix
from closeout.gaps.sql.rules import RULES, SUBJECTS, survey
from closeout.model import Gap, later

GAP = Gap(
    slug="sql",
    issue=3,
    title="SQL that PostgreSQL runs",
    priority="P0",
    criteria=("3.1", "3.2", "3.3"),
    fix=fix,
    subjects=SUBJECTS,
    rules=RULES,
    survey=survey,
    gates=later(f"{__name__}.gates", "GATES"),
    commands=later(f"{__name__}.commands", "COMMANDS"),
    deviations=DEVIATIONS,
    guide=__doc__ or "",
)
