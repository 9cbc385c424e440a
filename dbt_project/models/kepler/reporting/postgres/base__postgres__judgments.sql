with

judgments as (

    select
        unit_id,
        job_id,
        contributor_id,
        label,
        created_at
    from {{ source('kepler_postgres', 'judgments') }}

),

jobs as (

    select
        job_id,
        project_id
    from {{ source('kepler_postgres', 'jobs') }}

),

contributors as (

    select
        contributor_id,
        country
    from {{ source('kepler_postgres', 'contributors') }}

),

-- How often a unit was given each label; of equally frequent ones the first by alphabet counts as the unit's.
labels as (

    select
        unit_id,
        label,
        row_number() over (
            partition by unit_id
            order by count(*) desc, label
        ) as place
    from judgments
    group by unit_id, label

),

final as (

    select
        jobs.project_id,
        judgments.job_id,
        coalesce(contributors.country, 'unknown') as country,
        date_trunc('month', judgments.created_at at time zone 'UTC') as month,
        case when judgments.label = labels.label then 1 else 0 end as agrees
    from judgments
    inner join jobs on judgments.job_id = jobs.job_id
    inner join labels on judgments.unit_id = labels.unit_id and labels.place = 1
    left join contributors on judgments.contributor_id = contributors.contributor_id

)

select * from final
