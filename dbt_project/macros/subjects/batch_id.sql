{#- The batch, quoted. There is no default: with one, a forgotten batch would be a green UPDATE of no row. -#}
{% macro batch_id() -%}
    {%- if execute -%} '{{ var("batch_id") }}' {%- else -%} '' {%- endif -%}
{%- endmacro %}
