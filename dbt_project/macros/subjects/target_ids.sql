{#- The contributor ids of the batch, as values of a column's type: so an index over the column can be used. -#}
{% macro target_ids(type) -%}
    {{ return(adapter.dispatch('target_ids', 'contributor_deletion')(type)) }}
{%- endmacro %}

{% macro postgres__target_ids(type) -%}
    select {{ 'cast(contributor_id as ' ~ type ~ ')' if type else 'contributor_id' }}
    from erasure.targets
    where batch_id = {{ batch_id() }} and kind = 'contributor'
{%- endmacro %}

{% macro clickhouse__target_ids(type) -%}
    {%- set plain = plain_type(type or 'String') -%}
    select {{ 'contributor_id' if plain == 'String' else 'cast(contributor_id as ' ~ plain ~ ')' }}
    from erasure.targets
    where batch_id = {{ batch_id() }} and kind = 'contributor'
{%- endmacro %}

{#- ClickHouse's type without what is wrapped around it: LowCardinality(Nullable(String)) is a String. -#}
{% macro plain_type(type) -%}
    {%- if type.startswith('LowCardinality(') -%} {{ return(plain_type(type[15:-1])) }}
    {%- elif type.startswith('Nullable(') -%} {{ return(plain_type(type[9:-1])) }}
    {%- else -%} {{ return(type) }}
    {%- endif -%}
{%- endmacro %}
