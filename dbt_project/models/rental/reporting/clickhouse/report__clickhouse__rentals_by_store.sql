with

rentals as (

    select
        store_id,
        film_id,
        amount,
        rented_at
    from {{ source('rental_clickhouse', 'rentals') }}

),

final as (

    select
        store_id,
        film_id,
        date_trunc('month', rented_at) as month,
        count(*) as rentals,
        sum(amount) as amount
    from rentals
    group by 1, 2, 3

)

select * from final
