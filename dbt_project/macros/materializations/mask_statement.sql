{#- Changes or deletes the rows that a mask model selects; answers how many they were, and in how many of them a
    column was touched that must stay as it is (by a trigger, say). `stretch` is a further condition, or empty.
    PostgreSQL only: from 18 on it tells of a row what it was and what it is, and one pass over the table is enough;
    before, the new values are led back to their rows by their place, which costs a second one. -#}
{% macro mask_statement(spec, stretch, tells_old) -%}
    {%- set further = ' and ' ~ stretch if stretch else '' -%}
    {{ return(mask_in_one_pass(spec, further) if tells_old else mask_by_place(spec, further)) }}
{%- endmacro %}

{% macro mask_in_one_pass(spec, further) -%}
with

changed as (

    {% if spec.rule == 'delete' %}
    delete from {{ spec.relation }} as record
    where {{ is_subject(spec, 'record') }}{{ further }}
    returning false as is_touched
    {% else %}
    update {{ spec.relation }} as record
    set
    {%- for column in masked_columns(spec, 'record') %}
        {{ column.column }} = {{ column.new_value }}{{ ',' if not loop.last }}
    {%- endfor %}
    where
        {{ is_subject(spec, 'record') }}
        and {{ not_yet_masked(spec, 'record') }}{{ further }}
    returning {{ untouched_row(spec, 'old') }} *<> {{ untouched_row(spec, 'new') }} as is_touched
    {% endif %}

)

{{ changed_and_touched() }}
{%- endmacro %}

{% macro mask_by_place(spec, further) -%}
with

masked as materialized (

    select
        {%- for column in masked_columns(spec, 'record') %}
        {{ column.new_value }} as {{ new_name(column.name, loop.index) }},
        {%- endfor %}
        {{ untouched_checksum(spec, 'record') }} as untouched,
        record.tableoid as row_table,
        record.ctid as row_place
    from {{ spec.relation }} as record
    where
        {{ is_subject(spec, 'record') }}
        and {{ not_yet_masked(spec, 'record') }}{{ further }}

),

changed as (

    {% if spec.rule == 'delete' %}
    delete from {{ spec.relation }} as record
    using masked
    where record.tableoid = masked.row_table and record.ctid = masked.row_place
    returning false as is_touched
    {% else %}
    update {{ spec.relation }} as record
    set
    {%- for column in spec.columns %}
        {{ quoted(column.name) }} = masked.{{ new_name(column.name, loop.index) }}{{ ',' if not loop.last }}
    {%- endfor %}
    from masked
    where record.tableoid = masked.row_table and record.ctid = masked.row_place
    returning masked.untouched <> {{ untouched_checksum(spec, 'record') }} as is_touched
    {% endif %}

)

{{ changed_and_touched() }}
{%- endmacro %}

{% macro changed_and_touched() -%}
select
    count(*) as changed_rows,
    count(*) filter (where is_touched) as touched_rows
from changed
{%- endmacro %}
