with

customer as (

    select * from {{ source('rental_postgres', 'customer') }}

),

final as (

    select
        cast(customer_id as text) as contributor_id,
        cast(customer_id as text) as person_id
    from customer

)

select * from final
