with

judgments as (

    select * from {{ ref('base__postgres__judgments') }}

),

final as (

    select
        project_id,
        count(*) as judgments,
        round(cast(sum(agrees) as numeric) / count(*), 4) as agreement
    from judgments
    group by project_id

)

select * from final
