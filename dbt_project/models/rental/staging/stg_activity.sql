with

rental as (

    select * from {{ source('rental_postgres', 'rental') }}

),

payment as (

    select * from {{ source('rental_postgres', 'payment') }}

),

final as (

    select
        cast(customer_id as text) as contributor_id,
        max(rental_date) as last_active_at
    from rental
    group by customer_id

    union all

    select
        cast(customer_id as text) as contributor_id,
        max(payment_date) as last_active_at
    from payment
    group by customer_id

)

select * from final
