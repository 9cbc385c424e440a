with

requested as (

    select
        contributor_id,
        value as requested_email,
        line
    from {{ source('erasure', 'targets') }}
    where batch_id = {{ batch_id() }} and kind = 'requested'

),

people as (

    select * from {{ ref('people') }}

),

needles as (

    select * from {{ ref('stg_needles') }}

),

erased as (

    select * from {{ ref('erased_contributors') }}

),

-- What becomes of each line of a request. Already erased is recognised before anything else: such a line's email can
-- no longer agree with PostgreSQL.
final as (

    select
        requested.contributor_id,
        requested.line,
        people.person_id,
        case
            when erased.contributor_id is not null then 'already erased'
            when people.contributor_id is null then 'unknown'
            when not exists (
                select 1 from needles
                where
                    needles.contributor_id = requested.contributor_id
                    and needles.kind = 'email'
                    and needles.value = requested.requested_email
            ) then 'other email'
            else 'found'
        end as outcome
    from requested
    left join people on requested.contributor_id = people.contributor_id
    left join erased on requested.contributor_id = erased.contributor_id

)

select * from final
