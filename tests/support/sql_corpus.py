"""The corpus of small dbt models: read it, stand it in a project, render it without dbt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml

from closeout.fs.tree import MemoryTree

FOLDER = Path(__file__).resolve().parents[1] / "gaps" / "sql_corpus"
MODEL = "models/subject.sql"
SEED = """batch,day,stock,deaths,culls,feed,seen
A,2025-01-01,60,1,,1.5,2025-01-01 18:00:00
A,2025-01-04,59,4,1,1.5,2025-01-04 06:00:00
B,2025-01-01,80,2,,1.5,2025-01-01 18:00:00
B,2025-01-02,78,3,,1.5,2025-01-02 18:00:00
"""
SETTINGS = """name: corpus
profile: corpus
seeds:
  corpus:
    daily:
      +column_types:
        batch: text
        day: date
        stock: integer
        deaths: integer
        culls: integer
        feed: numeric
        seen: timestamp
"""
TABLE = (
    "create table daily (batch text, day date, stock int, deaths int, culls int, feed numeric,"
    " seen timestamp)"
)

Case = Mapping[str, Any]


def cases(name: str) -> list[Case]:
    """Return the cases of `name`, `defects` or `near_misses`."""
    found: list[Case] = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    return found


def files(case: Case) -> dict[str, str]:
    """Return the case's dbt project: path to text."""
    return {
        "dbt_project.yml": SETTINGS,
        "seeds/daily.csv": SEED,
        MODEL: case["sql"],
        **case.get("files", {}),
    }


def tree(case: Case) -> MemoryTree:
    """Return the case's dbt project below `p/`."""
    return MemoryTree({f"p/{path}": text.encode() for path, text in files(case).items()})


def rendered(case: Case) -> str:
    """Return the model as dbt would render it for PostgreSQL; raises Jinja's error otherwise."""
    texts = files(case)
    library = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701 - SQL, no HTML
    packages = {
        "tools": library.from_string(
            texts.get("local_packages/tools/macros/double.sql", "")
        ).module,
        "corpus": library.from_string(texts.get("macros/treble.sql", "")).module,
    }
    return library.from_string(texts[MODEL]).render(
        ref=lambda name: name,
        var=lambda _, default=None: default,
        config=lambda **_: "",
        target={"type": "postgres", "name": "here"},
        dbt={
            "current_timestamp": lambda: "now()",
            "datediff": lambda first, second, _: f"(({second})::date - ({first})::date)",
        },
        **packages,
    )
