{#- Every value becomes the mask; NULL stays NULL. -#}
{% macro rule__constant(value, owner, type) -%}
    {{ return(adapter.dispatch('rule__constant', 'contributor_deletion')(value)) }}
{%- endmacro %}

{% macro postgres__rule__constant(value) -%}
    case when {{ value }} is not null then {{ mask_value() }} end
{%- endmacro %}

{#- The value stands in one branch, so that the type stays Nullable or not, as the column is. -#}
{% macro clickhouse__rule__constant(value) -%}
    if({{ value }} is null, {{ value }}, {{ mask_value() }})
{%- endmacro %}
