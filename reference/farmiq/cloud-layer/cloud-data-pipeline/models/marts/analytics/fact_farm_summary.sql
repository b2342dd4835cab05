{{ config(materialized='table') }}

-- One row per farm over everything that was recorded.

select
    tenant_id,
    farm_id,
    COUNT(distinct batch_id) as batches,
    SUM(mortality_count) / COUNT(*) as avg_daily_mortality,
    SUM(feed_intake_kg) / COUNT(*) as avg_daily_feed_kg,
    '{{ dbt.current_timestamp() }}' as computed_at
from {{ ref('fact_daily_kpi') }}
group by tenant_id, farm_id
