-- A cohort that ends before it starts came from a wrong date.
select batch_id
from {{ ref('fact_batch_cohort') }}
where batch_end_date < batch_start_date
