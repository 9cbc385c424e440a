with

judgments as (

    select * from {{ source('kepler_postgres', 'judgments') }}

),

needles as (

    select * from {{ ref('stg_needles') }}
    where kind = 'email'

),

-- Two parts, so that an email is looked at only where there is no id: of millions of judgments a few have none.
final as (

    select
        judgment_id,
        cast(contributor_id as text) as contributor_id,
        created_at
    from judgments
    where contributor_id is not null

    union all

    -- Work without an id is whose email it carries.
    select
        judgments.judgment_id,
        needles.contributor_id,
        judgments.created_at
    from judgments
    inner join needles on needles.value = {{ normalised_email('judgments.contributor_email') }}
    where judgments.contributor_id is null

)

select * from final
