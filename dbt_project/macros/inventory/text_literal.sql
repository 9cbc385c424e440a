{#- A name of the inventory as a text of SQL. Never for a value of a person: statements are kept in logs. -#}
{% macro text_literal(text) -%}
    {{ return(adapter.dispatch('text_literal', 'contributor_deletion')(text)) }}
{%- endmacro %}

{% macro postgres__text_literal(text) -%}
    {{ return("'" ~ text | replace("'", "''") ~ "'") }}
{%- endmacro %}

{% macro clickhouse__text_literal(text) -%}
    {{ return("'" ~ text | replace('\\', '\\\\') | replace("'", "\\'") ~ "'") }}
{%- endmacro %}
