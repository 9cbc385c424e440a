with

contributors as (

    select * from {{ source('kepler_postgres', 'contributors') }}

),

aliases as (

    select * from {{ source('kepler_postgres', 'contributor_aliases') }}

),

needles as (

    select
        cast(contributor_id as text) as contributor_id,
        'email' as kind,
        {{ normalised_email('email') }} as value
    from contributors

    union

    select
        cast(contributor_id as text) as contributor_id,
        'email' as kind,
        {{ normalised_email('email') }} as value
    from aliases

    union

    select
        cast(contributor_id as text) as contributor_id,
        'name' as kind,
        btrim(full_name) as value
    from contributors

    union

    select
        cast(contributor_id as text) as contributor_id,
        'phone' as kind,
        btrim(phone) as value
    from contributors

),

-- The mask is no needle: it would find every person who was erased before.
final as (

    select
        contributor_id,
        kind,
        value
    from needles
    where
        value <> ''
        and value <> {{ mask_value() }}
        and not (kind = 'email' and starts_with(value, lower({{ mask_value() }})))

)

select * from final
