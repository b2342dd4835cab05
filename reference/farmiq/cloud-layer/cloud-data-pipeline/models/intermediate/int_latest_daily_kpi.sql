-- A barn may send a day twice; its last word counts.
with ranked as (

    select
        *,
        row_number() over (partition by batch_id, record_date order by recorded_at desc) as recency
    from {{ ref('stg_daily_kpi') }}

)

select
    batch_id,
    record_date,
    animal_count,
    mortality_count,
    cull_count,
    {% for metric in var('cohort_metrics') %}
    {{ metric }},
    {% endfor %}
    avg_weight_g
from ranked
where recency = 1
