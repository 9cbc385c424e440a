with

judgments as (

    select * from {{ ref('base__clickhouse__judgments') }}

),

final as (

    select
        project_id,
        job_id,
        count(*) as judgments,
        round(sum(agrees) / count(*), 4) as agreement,
        sum(seconds_spent) as seconds_spent
    from judgments
    group by project_id, job_id

)

select * from final
