with

legal_holds as (

    select * from {{ source('kepler_postgres', 'legal_holds') }}

),

payments as (

    select * from {{ source('kepler_postgres', 'payments') }}

),

disputes as (

    select * from {{ source('kepler_postgres', 'disputes') }}

),

judgments as (

    select * from {{ source('kepler_postgres', 'judgments') }}

),

final as (

    select
        contributor_id,
        'legal hold' as reason
    from legal_holds
    where released_at is null

    union

    select
        contributor_id,
        'pending payment' as reason
    from payments
    where status = 'pending'

    union

    select
        judgments.contributor_id,
        'open dispute' as reason
    from disputes
    inner join judgments on disputes.judgment_id = judgments.judgment_id
    where disputes.status = 'open' and judgments.contributor_id is not null

)

select * from final
