with

payments as (

    select
        amount,
        currency,
        status,
        created_at
    from {{ source('kepler_postgres', 'payments') }}

),

final as (

    select
        date_trunc('month', created_at at time zone 'UTC') as month,
        currency,
        status,
        count(*) as payments,
        sum(amount) as amount
    from payments
    group by 1, 2, 3

)

select * from final
