with

customers as (

    select
        address_id,
        store_id
    from {{ source('rental_postgres', 'customer') }}

),

addresses as (

    select
        address_id,
        city_id
    from {{ source('rental_postgres', 'address') }}

),

final as (

    select
        addresses.city_id,
        customers.store_id,
        count(*) as customers
    from customers
    inner join addresses on customers.address_id = addresses.address_id
    group by 1, 2

)

select * from final
