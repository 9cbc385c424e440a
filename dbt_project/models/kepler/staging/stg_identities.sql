with recursive

contributors as (

    select * from {{ source('kepler_postgres', 'contributors') }}

),

-- A merged account may have been merged again: follow it to the account that was merged into none.
-- UNION without ALL ends where accounts are merged in a circle.
merges as (

    select
        contributor_id,
        merged_into
    from contributors
    where merged_into is not null

    union

    select
        merges.contributor_id,
        contributors.merged_into
    from merges
    inner join contributors on merges.merged_into = contributors.contributor_id
    where contributors.merged_into is not null

),

-- Of all accounts that one was merged into, the last is the person: it was merged no further.
last_merges as (

    select
        merges.contributor_id,
        min(cast(merges.merged_into as text)) filter (where contributors.merged_into is null) as root_id,
        min(cast(merges.merged_into as text)) as any_id
    from merges
    inner join contributors on merges.merged_into = contributors.contributor_id
    group by merges.contributor_id

),

final as (

    select
        contributors.contributor_id,
        coalesce(
            cast(coalesce(last_merges.root_id, last_merges.any_id) as uuid), contributors.contributor_id
        ) as person_id
    from contributors
    left join last_merges on contributors.contributor_id = last_merges.contributor_id

)

select * from final
