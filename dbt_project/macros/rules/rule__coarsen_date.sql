{#- A date becomes the first day of its year. -#}
{% macro rule__coarsen_date(column, subject_id) -%}
    cast(date_trunc('year', {{ column }}) as date)
{%- endmacro %}
