{#- The body of every mask model: primary key and new values of the rows that will change. The plan counts this very
    select, and both engines mask by its two predicates and its new values. Calling source() here gives
    the model its lineage and tells the materialization its table. -#}
{% macro masked_rows(source_name, table_name) -%}
    {%- set relation = source(source_name, table_name) -%}
    {%- set spec = mask_spec(source_name, table_name) -%}
    {%- if execute -%}
        {{ return(adapter.dispatch('masked_rows', 'contributor_deletion')(spec, spec.relation or relation)) }}
    {%- else -%}
        select 1 as not_executed
    {%- endif -%}
{%- endmacro %}

{% macro postgres__masked_rows(spec, relation) -%}
select
    {%- for key in spec.primary_key %}
    record.{{ quoted(key) }}{{ ',' if spec.columns or not loop.last }}
    {%- endfor %}
    {%- for column in masked_columns(spec, 'record') %}
    {{ column.new_value }} as {{ new_name(column.name, loop.index) }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ relation }} as record
where
    {{ is_subject(spec, 'record') }}
    and {{ not_yet_masked(spec, 'record') }}
{%- endmacro %}

{% macro clickhouse__masked_rows(spec, relation) -%}
{%- if var('form', 'rows') == 'expressions' -%} {{ return(mask_expressions(spec)) }} {%- endif -%}
select
    {%- for key in spec.primary_key %}
    {{ quoted(key) }}{{ ',' if spec.columns or not loop.last }}
    {%- endfor %}
    {%- for column in masked_columns(spec, '') %}
    {{ column.new_value }} as {{ new_name(column.name, loop.index) }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ relation }}
where
    {{ is_subject(spec, '') }}
    and {{ not_yet_masked(spec, '') }}
{%- endmacro %}
