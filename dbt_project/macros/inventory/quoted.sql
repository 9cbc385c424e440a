{#- A name as an identifier of the engine, whatever letters it has. -#}
{% macro quoted(name) -%}
    {{ return(adapter.dispatch('quoted', 'contributor_deletion')(name)) }}
{%- endmacro %}

{% macro postgres__quoted(name) -%}
    {{ return('"' ~ name | replace('"', '""') ~ '"') }}
{%- endmacro %}

{% macro clickhouse__quoted(name) -%}
    {{ return('`' ~ name | replace('\\', '\\\\') | replace('`', '\\`') ~ '`') }}
{%- endmacro %}
