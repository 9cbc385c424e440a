{#- A checksum of the columns of a record that masking must leave as they are; PostgreSQL only. Columns that are
    ruled, generated from others, or declared volatile are left out. -#}
{% macro untouched_checksum(spec, alias) -%}
    {%- if spec.untouched -%}
        md5(cast(row(
            {%- for name in spec.untouched -%} {{ alias }}.{{ quoted(name) }}{{ ', ' if not loop.last }} {%- endfor -%}
        ) as text))
    {%- else -%}
        ''
    {%- endif -%}
{%- endmacro %}
