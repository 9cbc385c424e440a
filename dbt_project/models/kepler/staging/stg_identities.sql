with recursive

contributors as (

    select * from {{ source('kepler_postgres', 'contributors') }}

),

-- A merged account may have been merged again: follow it to the account that was merged into none.
-- UNION without ALL ends where accounts are merged in a circle.
merge_steps as (

    select
        contributor_id,
        merged_into
    from contributors
    where merged_into is not null

    union

    select
        merge_steps.contributor_id,
        contributors.merged_into
    from merge_steps
    inner join contributors on merge_steps.merged_into = contributors.contributor_id
    where contributors.merged_into is not null

),

-- Of all accounts that one was merged into, the last is the person: it was merged no further.
persons as (

    select
        merge_steps.contributor_id,
        min(case when contributors.merged_into is null then cast(merge_steps.merged_into as text) end) as root_id,
        min(cast(merge_steps.merged_into as text)) as any_id
    from merge_steps
    inner join contributors on merge_steps.merged_into = contributors.contributor_id
    group by merge_steps.contributor_id

),

final as (

    select
        cast(contributors.contributor_id as text) as contributor_id,
        coalesce(persons.root_id, persons.any_id, cast(contributors.contributor_id as text)) as person_id
    from contributors
    left join persons on contributors.contributor_id = persons.contributor_id

)

select * from final
