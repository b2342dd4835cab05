"""Where the order's own SQL fails, with what was measured."""

from __future__ import annotations

from closeout.model import Deviation

DEVIATIONS = (
    Deviation(
        id="D-sql-1",
        claim="`dbt compile` is the test of both repairs.",
        finding=(
            "It exits 0 on the missing parenthesis, on DATEDIFF, and on the order's own repair "
            "that PostgreSQL refuses: compiling renders text and never plans it."
        ),
        decision=(
            "Compile, parse the compiled text, `run --empty`, `build` on seeded tables, then "
            "compare the figures with an independent computation."
        ),
    ),
    Deviation(
        id="D-sql-2",
        claim="EXTRACT(day FROM end - start) replaces DATEDIFF.",
        finding=(
            "For DATE columns the difference is an integer, and PostgreSQL has no EXTRACT from "
            "an integer. For timestamps it counts full days: 18:00 on Monday to 06:00 on Thursday "
            "gives 2, where the dates are 3 apart."
        ),
        decision=(
            "dbt's own datediff macro, which casts both ends to dates and is right for both types; "
            "`nox -s dbt` builds the model on dates and again on timestamps and compares both."
        ),
    ),
    Deviation(
        id="D-sql-3",
        claim="The plain subtraction of the two columns returns an interval.",
        finding="For DATE columns it returns an integer; only timestamps give an interval.",
        decision="The same macro: an integer number of days either way.",
    ),
    Deviation(
        id="D-sql-4",
        claim="The survival formula is right once its parenthesis is closed.",
        finding=(
            "A NULL cull count makes the day's sum NULL and drops that day's deaths. The "
            "denominator adds up the stock of every day: of 1,000 birds that lose 20 a day for "
            "8 days, 160 die, and the formula gives 0.978 where 0.840 survived."
        ),
        decision=(
            "The parenthesis is restored literally and NULL counts as none. The denominator is "
            "the order's to choose: it stays, and the evidence states both figures."
        ),
    ),
    Deviation(
        id="D-sql-5",
        claim="The model has two defects.",
        finding=(
            "Its neighbours divide sums of integers by counts, which cuts the fraction off, and "
            "put quotes around a Jinja call for the time, which stores the text 'now()'."
        ),
        decision="Both have one right answer and are mended: a cast, and no quotes.",
    ),
    Deviation(
        id="D-sql-6",
        claim="The duration column is called batch_duration_days.",
        finding="Models of this shape name it otherwise, and dashboards read that name.",
        decision="Only the expression is replaced; the column keeps the name it has.",
    ),
)
