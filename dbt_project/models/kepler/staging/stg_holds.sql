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

    select * from {{ ref('stg_judgments') }}

),

final as (

    select
        cast(contributor_id as text) as contributor_id,
        'legal hold' as reason
    from legal_holds
    where released_at is null

    union

    select
        cast(contributor_id as text) as contributor_id,
        'pending payment' as reason
    from payments
    where status = 'pending'

    union

    select
        judgments.contributor_id,
        'open dispute' as reason
    from disputes
    inner join judgments on disputes.judgment_id = judgments.judgment_id
    where disputes.status = 'open'

)

select * from final
