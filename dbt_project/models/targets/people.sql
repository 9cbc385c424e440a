with

contributors as (

    select * from {{ ref('stg_contributors') }}

),

identities as (

    select * from {{ ref('stg_identities') }}

),

activity as (

    select * from {{ ref('stg_activity') }}

),

-- One row a contributor: the account, the person it belongs to, and when that account was last active.
-- An account without any activity counts from the day it was made.
accounts as (

    select
        contributors.contributor_id,
        identities.person_id,
        greatest(contributors.created_at, max(activity.last_active_at)) as last_active_at
    from contributors
    inner join identities on contributors.contributor_id = identities.contributor_id
    left join activity on contributors.contributor_id = activity.contributor_id
    group by contributors.contributor_id, identities.person_id, contributors.created_at

),

-- Identity first: a person was last active when the latest of the accounts was.
final as (

    select
        contributor_id,
        person_id,
        max(last_active_at) over (partition by person_id) as last_active_at
    from accounts

)

select * from final
