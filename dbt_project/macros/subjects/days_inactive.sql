{#- After how many days without activity a person counts as inactive. -#}
{% macro days_inactive() -%} {{ var('days_inactive', 365) | int }} {%- endmacro %}
