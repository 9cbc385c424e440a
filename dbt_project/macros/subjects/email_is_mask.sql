{#- Whether a subject's email is a mask already, by `constant` or by `unique`. -#}
{% macro email_is_mask(column) -%}
    ({{ column }} = {{ mask_value() }} or {{ column }} like 'DELETED\_USER-%')
{%- endmacro %}
