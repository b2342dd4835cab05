{{
    config(
        materialized='table',
        tags=['analytics', 'nightly']
    )
}}

-- One row per batch: how a cohort did between its first and its last recorded day.

with daily as (

    select * from {{ ref('fact_daily_kpi') }}
    {% if var('cohort_species', none) is not none %}
    where species = '{{ var("cohort_species") }}'
    {% endif %}

),

cohort as (

    select
        tenant_id,
        farm_id,
        barn_id,
        batch_id,
        species,
        MAX(placed_count) as placed_count,
        COUNT(*) as recorded_days,
        MIN(record_date) as batch_start_date,
        MAX(record_date) as batch_end_date,
        1.0 - (SUM(mortality_count + cull_count)::FLOAT / NULLIF(SUM(animal_count), 0) as survival_rate,
        SUM(mortality_count + cull_count) as animals_lost,
        {% for metric in var('cohort_metrics') %}
        SUM({{ metric }}) as {{ metric }},
        {% endfor %}
        MAX(avg_weight_g) as final_weight_g
    from daily
    group by 1, 2, 3, 4, 5

)

select
    cohort.*,
    {% for metric in var('cohort_metrics') %}
    {{ safe_ratio(metric, 'recorded_days') }} as {{ metric }}_per_day,
    {% endfor %}
    -- Whole days; a batch that was recorded on one day lasts none.
    DATEDIFF('day', batch_start_date, batch_end_date) as batch_duration_days
from cohort
