select id, customer, coalesce(amount, 0) as amount from {{ ref('raw_orders') }} where id > 0
