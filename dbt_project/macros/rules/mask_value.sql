{#- The mask. The same word stands in erasure/rules.py; a test holds the two together. -#}
{% macro mask_value() -%} 'DELETED_USER' {%- endmacro %}
