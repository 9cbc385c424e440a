with

erased as (

    select * from {{ source('erasure', 'erased') }}

),

-- One row an account, however many emails it had; who was restored has left the list.
final as (

    select distinct contributor_id
    from erased
    where restored_at is null

)

select * from final
