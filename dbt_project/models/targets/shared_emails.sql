with

needles as (

    select * from {{ ref('stg_needles') }}
    where kind = 'email'

),

targets as (

    select * from {{ source('erasure', 'targets') }}
    where batch_id = {{ batch_id() }}

),

-- Emails that a target and somebody else use: erasing the one would touch the other.
final as (

    select distinct needles.contributor_id
    from needles
    where
        needles.value in (select value from targets where kind = 'email')
        and needles.contributor_id not in (select contributor_id from targets where kind = 'contributor')

)

select * from final
