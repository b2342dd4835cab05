select
    batch_id,
    record_date,
    animal_count,
    mortality_count,
    cull_count,
    feed_intake_kg,
    water_intake_l,
    avg_weight_g,
    recorded_at
from {{ source('raw', 'daily_kpi') }}
