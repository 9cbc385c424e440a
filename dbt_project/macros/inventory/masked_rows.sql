{#- The body of every mask model: primary key and new values of the rows that will change. The plan counts this very
    select, PostgreSQL updates from it, and ClickHouse re-renders its two predicates. Calling source() here gives
    the model its lineage and tells the materialization its table. -#}
{% macro masked_rows(source_name, table_name) -%}
    {%- do source(source_name, table_name) -%}
    {%- set spec = mask_spec(source_name, table_name) -%}
    {%- if execute -%}
        {{ return(adapter.dispatch('masked_rows', 'contributor_deletion')(spec)) }}
    {%- else -%}
        select 1 as not_executed
    {%- endif -%}
{%- endmacro %}

{% macro postgres__masked_rows(spec) -%}
select
    {%- for key in spec.primary_key %}
    record.{{ key }},
    {%- endfor %}
    {%- for field in spec.fields %}
    {{ rule(field, 'record.' ~ field.name, subject_id(spec, 'record')) }} as new_{{ field.name }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ spec.relation }} as record
where
    {{ is_subject(spec, 'record') }}
    and {{ not_yet_masked(spec, 'record') }}
{%- endmacro %}

{% macro clickhouse__masked_rows(spec) -%}
select
    {%- for key in spec.primary_key %}
    {{ key }},
    {%- endfor %}
    {%- for field in spec.fields %}
    {{ rule(field, field.name, none) }} as new_{{ field.name }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ spec.relation }}
where
    {{ is_subject(spec, '') }}
    and {{ not_yet_masked(spec, '') }}
{%- endmacro %}
