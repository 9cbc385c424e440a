with

people as (

    select * from {{ ref('people') }}

),

contributors as (

    select * from {{ ref('stg_contributors') }}

),

excluded as (

    select * from {{ ref('excluded_people') }}

),

erased as (

    select * from {{ ref('erased_contributors') }}

),

inactive as (

    select
        people.contributor_id,
        people.person_id,
        contributors.email as email_address,
        people.last_active_at,
        case
            when erased.contributor_id is not null then 'already erased'
            else excluded.excluded_because
        end as excluded_because
    from people
    inner join contributors on people.contributor_id = contributors.contributor_id
    left join excluded on people.person_id = excluded.person_id
    left join erased on people.contributor_id = erased.contributor_id
    where people.last_active_at < now() - make_interval(days => {{ days_inactive() }})

),

-- Oldest first, and the same order each time: by the person's last activity, then by id. The running count takes in
-- all accounts of a person at once, so that a limit never cuts a person in two.
final as (

    select
        contributor_id,
        person_id,
        email_address,
        last_active_at,
        excluded_because,
        count(*) over (
            partition by excluded_because is null
            order by last_active_at, person_id
        ) as contributors_so_far
    from inactive

)

select * from final
