with

needles as (

    select * from {{ ref('stg_needles') }}
    where kind = 'email'

),

targets as (

    select * from {{ source('erasure', 'targets') }}
    where batch_id = {{ batch_id() }}

),

target_emails as (

    select value from targets
    where kind = 'email'

),

target_ids as (

    select contributor_id from targets
    where kind = 'contributor'

),

-- Emails that a target and somebody else use: erasing the one would touch the other.
final as (

    select distinct needles.contributor_id
    from needles
    where
        needles.value in (select target_emails.value from target_emails)
        and needles.contributor_id not in (select target_ids.contributor_id from target_ids)

)

select * from final
