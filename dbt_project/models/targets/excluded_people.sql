with

ineligible as (

    select * from {{ ref('ineligible_people') }}

),

-- One row a person, with all reasons in one text: what the ledger keeps and a user reads.
final as (

    select
        person_id,
        string_agg(reason, ', ' order by reason) as excluded_because
    from ineligible
    group by person_id

)

select * from final
