{#- The mask, a hyphen and the contributor's id: for columns that must stay unique. -#}
{% macro rule__unique(column, subject_id) -%}
    case when {{ column }} is not null then {{ mask_value() }} || '-' || cast({{ subject_id }} as text) end
{%- endmacro %}
