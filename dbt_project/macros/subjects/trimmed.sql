{#- Without ASCII blanks at both ends; the same six characters as ASCII_BLANKS in erasure/rules.py. -#}
{% macro trimmed(column) -%}
    {{ return(adapter.dispatch('trimmed', 'contributor_deletion')(column)) }}
{%- endmacro %}

{% macro postgres__trimmed(column) -%} btrim({{ column }}, e' \t\n\r\x0b\x0c') {%- endmacro %}

{#- A FixedString is as long as its type, with zeros behind the value, unless it is made a text. -#}
{% macro clickhouse__trimmed(column) -%} trim(both ' \t\n\r\x0b\x0c' from toString({{ column }})) {%- endmacro %}
