{#- The columns of a record that masking must leave as they are, as one record; PostgreSQL only. Columns that are ruled,
    generated from others, or declared volatile are left out. -#}
{% macro untouched_row(spec, alias) -%}
    cast(row(
        {%- for name in spec.untouched -%} {{ alias }}.{{ quoted(name) }}{{ ', ' if not loop.last }} {%- endfor -%}
    ) as record)
{%- endmacro %}
