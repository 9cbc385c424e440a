with

payments as (

    select
        contributor_id,
        amount,
        currency,
        status
    from {{ source('kepler_postgres', 'payments') }}

),

contributors as (

    select
        contributor_id,
        country
    from {{ source('kepler_postgres', 'contributors') }}

),

final as (

    select
        contributors.country,
        payments.currency,
        payments.status,
        count(*) as payments,
        sum(payments.amount) as amount
    from payments
    inner join contributors on payments.contributor_id = contributors.contributor_id
    group by contributors.country, payments.currency, payments.status

)

select * from final
