with

login_events as (

    select * from {{ source('kepler_postgres', 'login_events') }}

),

judgments as (

    select * from {{ source('kepler_postgres', 'judgments') }}

),

needles as (

    select * from {{ ref('stg_needles') }}
    where kind = 'email'

),

final as (

    select
        cast(contributor_id as text) as contributor_id,
        max(created_at) as last_active_at
    from login_events
    group by contributor_id

    union all

    select
        cast(contributor_id as text) as contributor_id,
        max(created_at) as last_active_at
    from judgments
    where contributor_id is not null
    group by contributor_id

    union all

    -- Work without an id is whose email it carries.
    select
        needles.contributor_id,
        max(judgments.created_at) as last_active_at
    from judgments
    inner join needles on needles.value = {{ normalised_email('judgments.contributor_email') }}
    where judgments.contributor_id is null
    group by needles.contributor_id

)

select * from final
