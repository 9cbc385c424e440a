with

contributors as (

    select * from {{ source('kepler_postgres', 'contributors') }}

),

final as (

    select
        cast(contributor_id as text) as contributor_id,
        email,
        status,
        created_at
    from contributors

)

select * from final
