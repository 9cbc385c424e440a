with

payments as (

    select
        amount,
        payment_date
    from {{ source('rental_postgres', 'payment') }}

),

final as (

    select
        date_trunc('month', payment_date at time zone 'UTC') as month,
        count(*) as payments,
        sum(amount) as amount
    from payments
    group by 1

)

select * from final
