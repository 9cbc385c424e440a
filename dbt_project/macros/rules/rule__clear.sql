{#- Every value becomes NULL. -#}
{% macro rule__clear(column, subject_id) -%} null {%- endmacro %}
