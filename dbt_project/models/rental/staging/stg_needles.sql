with

customer as (

    select * from {{ source('rental_postgres', 'customer') }}

),

address as (

    select * from {{ source('rental_postgres', 'address') }}

),

needles as (

    select
        cast(customer_id as text) as contributor_id,
        'email' as kind,
        {{ normalised_email('email') }} as value
    from customer

    union

    select
        cast(customer_id as text) as contributor_id,
        'name' as kind,
        first_name || ' ' || last_name as value
    from customer
    where first_name <> {{ mask_value() }}

    union

    select
        cast(customer.customer_id as text) as contributor_id,
        'phone' as kind,
        address.phone as value
    from customer
    inner join address on customer.address_id = address.address_id

    union

    select
        cast(customer.customer_id as text) as contributor_id,
        'phone' as kind,
        phones.phone as value
    from customer
    cross join lateral unnest(customer.phones) as phones (phone)

),

-- The mask is no needle: it would find every person who was erased before.
final as (

    select
        contributor_id,
        kind,
        value
    from needles
    where
        value <> ''
        and value <> {{ mask_value() }}
        and not (kind = 'email' and starts_with(value, lower({{ mask_value() }})))

)

select * from final
