with

events as (

    select
        event,
        duration_ms,
        created_at
    from {{ source('kepler_clickhouse', 'app_events') }}

),

final as (

    select
        date_trunc('month', created_at) as month,
        event,
        count(*) as events,
        sum(duration_ms) as duration_ms
    from events
    group by 1, 2

)

select * from final
