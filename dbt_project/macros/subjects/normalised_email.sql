{#- The form in which emails are compared: ASCII blanks trimmed, ASCII letters lowered, all else as it is. -#}
{% macro normalised_email(column) -%}
    {{ return(adapter.dispatch('normalised_email', 'contributor_deletion')(column)) }}
{%- endmacro %}

{#- The collation C lowers ASCII letters alone, whatever the database's locale. -#}
{% macro postgres__normalised_email(column) -%} lower({{ trimmed(column) }} collate "C") {%- endmacro %}

{#- ClickHouse's lower is ASCII only; lowerUTF8 would be the other. -#}
{% macro clickhouse__normalised_email(column) -%} lower({{ trimmed(column) }}) {%- endmacro %}
