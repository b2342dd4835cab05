"""A dbt project without seeds and without the package that it names, as a monorepo keeps one."""

from __future__ import annotations

from pathlib import Path

HOME = "cloud-layer/cloud-data-pipeline"
FILES = {
    "dbt_project.yml": """name: flock
profile: flock
models:
  flock:
    staging: {+materialized: view}
    marts: {+materialized: table}
""",
    "packages.yml": "packages:\n  - package: dbt-labs/dbt_utils\n    version: 1.1.1\n",
    "models/sources.yml": """sources:
  - name: barns
    schema: "{{ target.schema }}"
    tables:
      - name: day_records
        columns:
          - name: id
            tests: [unique, not_null]
          - name: batch_id
          - name: record_date
            tests: [not_null]
  - name: feeding
    schema: "{{ target.schema }}"
    tables: [{name: portions}]
models:
  - name: fact_batch_cohort
    columns:
      - name: batch_start_date
        tests: [not_null]
""",
    "models/staging/stg_day_records.sql": """with records as (
    select * from {{ source('barns', 'day_records') }}
)
select
    id, batch_id, record_date, animal_count, mortality_count, cull_count, changed_at
from records
where removed_at is null and animal_count > 0
""",
    "models/staging/stg_portions.sql": """select
    batch_id, date(eaten_at) as record_date, count(*) as portions,
    {{ dbt_utils.safe_divide('sum(portion_kg)', 'count(*)') }} as mean_kg
from {{ source('feeding', 'portions') }}
group by 1, 2
""",
    "models/marts/fact_batch_cohort.sql": """select
    {{ dbt_utils.generate_surrogate_key(['batch_id']) }} as cohort_key,
    batch_id,
    min(record_date) as batch_start_date,
    {{ dbt.datediff('min(record_date)', 'max(record_date)', 'day') }} as batch_age_days,
    sum(mortality_count) as total_mortality,
    1.0 - (sum(coalesce(mortality_count, 0) + coalesce(cull_count, 0))::float
        / nullif(sum(animal_count), 0)) as survival_rate,
    sum(portions) as portions
from {{ ref('stg_day_records') }}
left join {{ ref('stg_portions') }} using (batch_id, record_date)
group by batch_id
""",
}


def write(root: Path, changed: dict[str, str] | None = None) -> Path:
    """Write the project below `root`, with some files otherwise; return its folder."""
    for name, text in {**FILES, **(changed or {})}.items():
        path = root / HOME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / HOME
