{#- Column -> its type, and whether the database itself makes its value, as the catalog has them. -#}
{% macro table_catalog(schema, identifier) -%}
    {%- set catalog = {} -%}
    {%- set query_of = adapter.dispatch('table_catalog_query', 'contributor_deletion') -%}
    {%- set query = query_of(text_literal(schema), text_literal(identifier)) -%}
    {%- for name, type, generated in run_query(query).rows -%}
        {%- do catalog.update({name: {'type': type, 'generated': generated == 1}}) -%}
    {%- endfor -%}
    {{ return(catalog) }}
{%- endmacro %}

{#- Of a domain the type beneath it; of an array the element's with an underscore before it. -#}
{% macro postgres__table_catalog_query(schema, identifier) -%}
select
    column_name,
    case when data_type in ('USER-DEFINED', 'ARRAY') then udt_name else data_type end as column_type,
    case when is_generated = 'ALWAYS' then 1 else 0 end as is_made
from information_schema.columns
where table_schema = {{ schema }} and table_name = {{ identifier }}
order by ordinal_position
{%- endmacro %}

{% macro clickhouse__table_catalog_query(schema, identifier) -%}
select name, type, toInt32(default_kind in ('MATERIALIZED', 'ALIAS', 'EPHEMERAL')) as is_made
from system.columns
where database = {{ schema }} and table = {{ identifier }}
order by position
{%- endmacro %}
