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

needles as (

    select * from {{ ref('stg_needles') }}
    where kind = 'email'

),

-- Work without an id is whose email it carries.
authors as (

    select
        judgments.judgment_id,
        coalesce(cast(judgments.contributor_id as text), needles.contributor_id) as contributor_id
    from judgments
    left join needles
        on
            judgments.contributor_id is null
            and needles.value = {{ normalised_email('judgments.contributor_email') }}

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
        authors.contributor_id,
        'open dispute' as reason
    from disputes
    inner join authors on disputes.judgment_id = authors.judgment_id
    where disputes.status = 'open' and authors.contributor_id is not null

)

select * from final
