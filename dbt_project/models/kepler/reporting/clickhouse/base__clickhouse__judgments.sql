with

metrics as (

    select
        project_id,
        job_id,
        unit_id,
        label,
        country,
        seconds_spent,
        created_at
    from {{ source('kepler_clickhouse', 'unit_metrics') }}

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
    from metrics
    group by unit_id, label

),

labels_of_units as (

    select
        unit_id,
        label
    from labels
    where place = 1

),

final as (

    select
        metrics.project_id,
        metrics.job_id,
        metrics.country,
        date_trunc('month', metrics.created_at) as month,
        metrics.seconds_spent,
        case when metrics.label = labels_of_units.label then 1 else 0 end as agrees
    from metrics
    inner join labels_of_units on metrics.unit_id = labels_of_units.unit_id

)

select * from final
