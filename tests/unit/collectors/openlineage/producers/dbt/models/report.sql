select customer, sum(amount) as total from {{ ref('features') }} group by customer
