select cast(customer as integer) as customer from {{ ref('features') }}
