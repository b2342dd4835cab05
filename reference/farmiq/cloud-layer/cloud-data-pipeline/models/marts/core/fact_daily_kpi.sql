{{ config(materialized='table', indexes=[{'columns': ['batch_id', 'record_date'], 'unique': true}]) }}

with kpi as (

    select * from {{ ref('int_latest_daily_kpi') }}

),

batches as (

    select * from {{ ref('stg_batches') }}

)

select
    batches.tenant_id,
    batches.farm_id,
    batches.barn_id,
    batches.batch_id,
    batches.species,
    batches.placed_count,
    kpi.record_date,
    kpi.animal_count,
    kpi.mortality_count,
    kpi.cull_count,
    kpi.feed_intake_kg,
    kpi.water_intake_l,
    kpi.avg_weight_g,
    {{ safe_ratio('kpi.feed_intake_kg * 1000', 'kpi.animal_count') }} as feed_per_animal_g
from kpi
inner join batches on batches.batch_id = kpi.batch_id
