with

login_events as (

    select * from {{ source('kepler_postgres', 'login_events') }}

),

judgments as (

    select * from {{ ref('stg_judgments') }}

),

final as (

    select
        cast(contributor_id as text) as contributor_id,
        max(created_at) as last_active_at
    from login_events
    group by contributor_id

    union all

    select
        contributor_id,
        max(created_at) as last_active_at
    from judgments
    group by contributor_id

)

select * from final
