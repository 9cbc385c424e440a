with

people as (

    select * from {{ ref('people') }}

),

holds as (

    select * from {{ ref('stg_holds') }}

),

open_batches as (

    select
        targets.contributor_id,
        'in another open batch' as reason
    from {{ source('erasure', 'targets') }} as targets
    inner join {{ source('erasure', 'batches') }} as batches on targets.batch_id = batches.batch_id
    where
        targets.kind = 'contributor'
        and batches.state in ('executing', 'failed')
        and batches.batch_id <> {{ batch_id() }}

),

reasons as (

    select * from holds
    union
    select * from open_batches

),

-- What holds one account of a person holds all of them.
final as (

    select distinct
        people.person_id,
        reasons.reason
    from reasons
    inner join people on reasons.contributor_id = people.contributor_id

)

select * from final
