{#- A date becomes the first day of its year, a moment the first of its year in UTC. A date kept as text stays
    one; what is none becomes the mask. -#}
{% macro rule__coarsen_date(value, owner, type) -%}
    {{ return(adapter.dispatch('rule__coarsen_date', 'contributor_deletion')(value, type)) }}
{%- endmacro %}

{% macro postgres__rule__coarsen_date(value, type) -%}
    {%- if type == 'timestamp with time zone' -%}
        date_trunc('year', {{ value }}, 'UTC')
    {%- elif type == 'timestamp without time zone' -%}
        date_trunc('year', {{ value }})
    {%- elif type == 'date' -%}
        cast(date_trunc('year', cast({{ value }} as timestamp)) as date)
    {%- else -%}
        case
            when {{ value }} is null then null
            when {{ value }} ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' and pg_input_is_valid({{ value }}, 'date')
                then left({{ value }}, 4) || '-01-01'
            else {{ mask_value() }}
        end
    {%- endif -%}
{%- endmacro %}

{#- In the column's own time zone and type: a plain Date of ClickHouse begins in 1970, and no type of its knows
    all years that a text can name. -#}
{% macro clickhouse__rule__coarsen_date(value, type) -%}
    {%- set plain = plain_type(type) -%}
    {%- if plain.startswith('Date') -%}
        if({{ value }} is null, {{ value }}, cast(makeDate32(toYear(assumeNotNull({{ value }})), 1, 1) as {{ plain }}))
    {%- else -%}
        multiIf(
            {{ value }} is null, {{ value }},
            match({{ value }}, '^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-{{ day_of_a_year() }}$')
            or (
                match({{ value }}, '^[0-9]{4}-02-29$')
                and {{ is_leap_year('toUInt16OrZero(substring(' ~ value ~ ', 1, 4))') }}
            ),
            concat(substring({{ value }}, 1, 4), '-01-01'),
            {{ mask_value() }}
        )
    {%- endif -%}
{%- endmacro %}

{#- The shape of a month and a day that every year has. -#}
{% macro day_of_a_year() -%}
    ((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))
{%- endmacro %}

{% macro is_leap_year(year) -%}
    ({{ year }} > 0 and {{ year }} % 4 = 0 and ({{ year }} % 100 != 0 or {{ year }} % 400 = 0))
{%- endmacro %}
