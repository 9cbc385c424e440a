{#- A checksum of what `untouched_row` holds; PostgreSQL only. -#}
{% macro untouched_checksum(spec, alias) -%}
    md5(cast({{ untouched_row(spec, alias) }} as text))
{%- endmacro %}
