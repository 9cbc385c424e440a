with

requested as (

    select * from {{ ref('requested_contributors') }}
    where outcome = 'found'

),

people as (

    select * from {{ ref('people') }}

),

excluded as (

    select * from {{ ref('excluded_people') }}

),

needles as (

    select * from {{ ref('stg_needles') }}

),

erased as (

    select * from {{ ref('erased_contributors') }}

),

-- Identity first: who is asked for by one account is asked for by all; accounts that are erased already stay out.
members as (

    select
        people.contributor_id,
        people.person_id,
        bool_or(people.contributor_id = requested.contributor_id) as is_requested
    from people
    inner join requested on people.person_id = requested.person_id
    left join erased on people.contributor_id = erased.contributor_id
    where erased.contributor_id is null
    group by people.contributor_id, people.person_id

),

contributors as (

    select
        members.contributor_id,
        members.person_id,
        case when excluded.person_id is null then 'contributor' else 'excluded' end as kind,
        members.contributor_id as value,
        coalesce(
            excluded.excluded_because,
            case when members.is_requested then 'requested' else 'same person as one requested' end
        ) as reason
    from members
    left join excluded on members.person_id = excluded.person_id

),

target_needles as (

    select
        contributors.contributor_id,
        contributors.person_id,
        needles.kind,
        needles.value,
        contributors.reason
    from contributors
    inner join needles on contributors.contributor_id = needles.contributor_id
    where contributors.kind = 'contributor'

),

final as (

    select * from contributors
    union all
    select * from target_needles

)

select * from final
