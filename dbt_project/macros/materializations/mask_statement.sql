{#- Changes or deletes the rows that a mask model selects; answers how many they were, and in how many of them a
    column was touched that must stay as it is (by a trigger, say). PostgreSQL only. -#}
{% macro mask_statement(spec, select) -%}
with

masked as materialized (

    {{ select }}

),

changed as (

    {%- if spec.rule == 'delete' %}
    delete from {{ spec.relation }} as record
    using masked
    where record.tableoid = masked.row_table and record.ctid = masked.row_place
    returning false as is_touched
    {%- else %}
    update {{ spec.relation }} as record
    set
    {%- for column in spec.columns %}
        {{ quoted(column.name) }} = masked.{{ new_name(column.name, loop.index) }}{{ ',' if not loop.last }}
    {%- endfor %}
    from masked
    where record.tableoid = masked.row_table and record.ctid = masked.row_place
    returning masked.untouched <> {{ untouched_checksum(spec, 'record') }} as is_touched
    {%- endif %}

)

select
    count(*) as changed_rows,
    count(*) filter (where is_touched) as touched_rows
from changed
{%- endmacro %}
