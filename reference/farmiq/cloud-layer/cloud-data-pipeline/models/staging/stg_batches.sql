select
    batch_id,
    tenant_id,
    farm_id,
    barn_id,
    lower(species) as species,
    placed_count,
    placed_on
from {{ source('raw', 'batches') }}
