with

customer as (

    select * from {{ source('rental_postgres', 'customer') }}

),

final as (

    select
        cast(customer_id as text) as contributor_id,
        email,
        cast(activebool as text) as status,
        cast(create_date as timestamptz) as created_at
    from customer

)

select * from final
