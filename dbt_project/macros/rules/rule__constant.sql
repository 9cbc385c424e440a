{#- Every value becomes the mask; NULL stays NULL. -#}
{% macro rule__constant(column, subject_id) -%}
    {{ return(adapter.dispatch('rule__constant', 'contributor_deletion')(column, subject_id)) }}
{%- endmacro %}

{% macro postgres__rule__constant(column, subject_id) -%}
    case when {{ column }} is not null then {{ mask_value() }} end
{%- endmacro %}

{#- The column stands in one branch, so that the type stays Nullable or not, as the column is. -#}
{% macro clickhouse__rule__constant(column, subject_id) -%}
    if({{ column }} is null, {{ column }}, {{ mask_value() }})
{%- endmacro %}
