{#- Every value becomes NULL. -#}
{% macro rule__clear(value, owner, type) -%} null {%- endmacro %}
