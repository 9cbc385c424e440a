with

rental as (

    select * from {{ source('rental_postgres', 'rental') }}

),

final as (

    select distinct
        cast(customer_id as text) as contributor_id,
        'open rental' as reason
    from rental
    where return_date is null

)

select * from final
